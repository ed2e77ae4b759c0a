use super::normal_quantile::normal_quantile;

/// The draws' ranks among all of them as quantiles of the normal law, (rank - 3/8) / (n + 1/4); equal draws share their
/// mean rank (Vehtari et al. 2021, equation 14).
pub(super) fn normal_scores(chains: &[&[f64]]) -> Vec<Vec<f64>> {
    let all: Vec<f64> = chains.concat();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| all[a].total_cmp(&all[b]));
    let mut scores = vec![0.0; all.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| all[a] == all[b]) {
        let rank = first as f64 + 0.5 * (equal.len() as f64 + 1.0);
        let score = normal_quantile((rank - 0.375) / (all.len() as f64 + 0.25));
        equal.iter().for_each(|&at| scores[at] = score);
        first += equal.len();
    }
    let mut rest = scores.as_slice();
    let next = |chain: &&[f64]| {
        let (chain, after) = rest.split_at(chain.len());
        rest = after;
        chain.to_vec()
    };
    chains.iter().map(next).collect()
}

/// The quantile of some numbers, between neighbours by a straight line; there must be one.
pub(crate) fn quantile(values: &[f64], probability: f64) -> f64 {
    quantiles(values, [probability])[0]
}

/// Several quantiles, of numbers that are sorted once.
pub(crate) fn quantiles<const N: usize>(values: &[f64], probabilities: [f64; N]) -> [f64; N] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    probabilities.map(|probability| {
        let at = probability * (sorted.len() - 1) as f64;
        let (below, above) = (at.floor(), at.ceil());
        let (low, high) = (sorted[below as usize], sorted[above as usize]);
        low + (high - low) * (at - below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_draws_share_their_mean_rank() {
        let scores = normal_scores(&[&[3.0, 1.0], &[1.0, 7.0, -0.0, 0.0]]);
        let expected = |rank: f64| normal_quantile((rank - 0.375) / 6.25);
        assert_eq!(scores[0], [expected(5.0), expected(3.5)]);
        assert_eq!(scores[1], [expected(3.5), expected(6.0), expected(1.5), expected(1.5)]);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 0.9, 1.0].map(|p| quantile(&values, p)), [1.0, 2.5, 3.7, 4.0]);
        assert_eq!(quantile(&[2.0], 0.3), 2.0);
    }
}
