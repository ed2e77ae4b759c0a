mod normal_quantile;
mod ranks;

use crate::{Error, Result};
use ranks::normal_scores;
use ranks::quantile;
pub(crate) use ranks::quantiles;

/// How many independent draws are worth as much as these dependent ones: `chains` of one scalar (an energy, a
/// pixel), all of one length.
///
/// N / tau with tau = 1 + 2 sum of the autocorrelations, which are pooled over half chains so that chains in
/// different places lower them, and summed as long as Geyer's initial monotone sequence lasts (Geyer, Statistical
/// Science 7(4), 1992; as in Stan: Vehtari, Gelman, Simpson, Carpenter, Buerkner, Bayesian Analysis 16(2), 2021,
/// without rank normalisation). At most N log10 N, of chains that overshoot.
///
/// # Errors
/// When there is no chain, lengths differ or are below 4, or draws are not finite or all the same.
pub fn effective_sample_size(chains: &[Vec<f64>]) -> Result<f64> {
    check(chains)?;
    Ok(Halves::new(split(chains)).effective_sample_size())
}

/// [`effective_sample_size`] of the draws' ranks, as normal scores: how well the middle of the law is known, whatever its
/// tails (Vehtari et al. 2021, section 4). Fewer than 100 for each chain are best not trusted.
///
/// # Errors
/// As [`effective_sample_size`].
pub fn bulk_effective_sample_size(chains: &[Vec<f64>]) -> Result<f64> {
    check(chains)?;
    let scores = normal_scores(&split(chains));
    Ok(Halves::new(slices(&scores)).effective_sample_size())
}

/// The smaller of the [`effective_sample_size`]s of being in the lower and not in the upper 5 % of all draws: how well the
/// tails of the law are known (Vehtari et al. 2021, section 4.3).
///
/// # Errors
/// As [`effective_sample_size`].
pub fn tail_effective_sample_size(chains: &[Vec<f64>]) -> Result<f64> {
    check(chains)?;
    let below = |bound: f64| {
        let is_below = |chain: &Vec<f64>| chain.iter().map(|&x| f64::from(u8::from(x <= bound))).collect();
        let indicators: Vec<Vec<f64>> = chains.iter().map(is_below).collect();
        Halves::new(split(&indicators)).effective_sample_size()
    };
    let [lower, upper] = quantiles(&chains.concat(), [0.05, 0.95]).map(below);
    Ok(lower.min(upper))
}

/// Gelman and Rubin's ratio of `chains` of one scalar, each cut in half: the deviation of all draws over that within
/// halves. 1 where chains have forgotten where they began; above 1.01 they are best not trusted (Vehtari et al.
/// 2021, without rank normalisation). Infinite when no half moves and they lie apart.
///
/// # Errors
/// As [`effective_sample_size`].
pub fn split_r_hat(chains: &[Vec<f64>]) -> Result<f64> {
    check(chains)?;
    Ok(Halves::new(split(chains)).r_hat())
}

/// [`split_r_hat`] of the draws' ranks, as normal scores, or of the ranks of their distances from the median where that is
/// larger: it sees chains of different places and of different widths, whatever the tails of the law (Vehtari et al.
/// 2021, section 4).
///
/// # Errors
/// As [`effective_sample_size`].
pub fn rank_r_hat(chains: &[Vec<f64>]) -> Result<f64> {
    check(chains)?;
    let halves = split(chains);
    let median = quantile(&halves.concat(), 0.5);
    let folded: Vec<Vec<f64>> =
        halves.iter().map(|half| half.iter().map(|x| (x - median).abs()).collect()).collect();
    let of = |halves: &[&[f64]]| Halves::new(slices(&normal_scores(halves))).r_hat();
    Ok(of(&halves).max(of(&slices(&folded))))
}

/// The halves of every chain; the middle draw of an odd number is left out.
fn split(chains: &[Vec<f64>]) -> Vec<&[f64]> {
    chains.iter().flat_map(|chain| [&chain[..chain.len() / 2], &chain[chain.len().div_ceil(2)..]]).collect()
}

fn slices(chains: &[Vec<f64>]) -> Vec<&[f64]> {
    chains.iter().map(Vec::as_slice).collect()
}

/// Halves of chains, all of one length, and what they have in common.
struct Halves<'a> {
    chains: Vec<&'a [f64]>,
    means: Vec<f64>,
    /// Draws of a half.
    n: usize,
    /// Mean variance within halves.
    within: f64,
    /// Variance of the law, estimated from within and between halves.
    variance: f64,
}

impl<'a> Halves<'a> {
    fn new(chains: Vec<&'a [f64]>) -> Self {
        let n = chains[0].len();
        let means: Vec<f64> = chains.iter().map(|half| half.iter().sum::<f64>() / n as f64).collect();
        let m = means.len() as f64;
        let mean = means.iter().sum::<f64>() / m;
        let between = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (m - 1.0);
        let mut halves = Halves { chains, means, n, within: 0.0, variance: 0.0 };
        halves.within = halves.autocovariance(0) * n as f64 / (n as f64 - 1.0);
        halves.variance = halves.autocovariance(0) + between;
        halves
    }

    fn r_hat(&self) -> f64 {
        (self.variance / self.within).sqrt()
    }

    /// All draws are worth their number where they are all the same.
    fn effective_sample_size(&self) -> f64 {
        let n = (self.chains.len() * self.n) as f64;
        if self.variance == 0.0 {
            return n;
        }
        let mut pairs = Vec::new();
        for lag in (0..=self.n.saturating_sub(3)).step_by(2) {
            let (even, odd) = (self.autocorrelation(lag), self.autocorrelation(lag + 1));
            pairs.push((even, odd));
            if even + odd <= 0.0 {
                break;
            }
        }
        // Of the pair that ends the sequence only its even lag counts, and once.
        let rest = pairs.pop().map_or(0.0, |(even, _)| f64::max(even, 0.0));
        let mut least = f64::INFINITY;
        let monotone = pairs.iter().map(|(even, odd)| {
            least = f64::min(least, even + odd);
            least
        });
        let sum: f64 = monotone.sum();
        let tau = 2.0 * sum - 1.0 + rest;
        n / tau.max(1.0 / n.log10())
    }

    /// Mean over halves, with divisor n at every lag.
    fn autocovariance(&self, lag: usize) -> f64 {
        let of = |(half, mean): (&&[f64], &f64)| {
            half.iter().zip(&half[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / self.n as f64
        };
        self.chains.iter().zip(&self.means).map(of).sum::<f64>() / self.chains.len() as f64
    }

    fn autocorrelation(&self, lag: usize) -> f64 {
        match lag {
            0 => 1.0,
            lag => 1.0 - (self.within - self.autocovariance(lag)) / self.variance,
        }
    }
}

fn check(chains: &[Vec<f64>]) -> Result<()> {
    let lengths = || chains.iter().map(Vec::len);
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let draws = || chains.iter().flatten().copied();
    let not_finite = draws().filter(|x| !x.is_finite()).count();
    let first = draws().next().unwrap_or(0.0);
    let same = draws().all(|x| x == first);
    if shortest < 4 || shortest != longest || not_finite > 0 || same {
        let spread = if same { "all the same" } else { "not all the same" };
        return Err(Error::Draws { chains: chains.len(), shortest, longest, not_finite, spread });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    /// x_t = phi x_(t-1) + noise, begun in its stationary law.
    fn autoregression(phi: f64, chains: u64, n: usize, seed: u64) -> Vec<Vec<f64>> {
        let chain = |i: u64| {
            let mut stream = Key::new(seed).fold(i).stream();
            let mut x = f64::from(stream.normal()) / (1.0 - phi * phi).sqrt();
            let mut next = || {
                let now = x;
                x = phi * x + f64::from(stream.normal());
                now
            };
            (0..n).map(|_| next()).collect()
        };
        (0..chains).map(chain).collect()
    }

    #[test]
    fn the_effective_size_of_an_autoregression_is_the_known_one() {
        for (phi, seed) in [(0.0, 1), (0.5, 2), (0.9, 3), (-0.4, 4)] {
            let ess = effective_sample_size(&autoregression(phi, 4, 20_000, seed)).unwrap();
            let expected = 80_000.0 * (1.0 - phi) / (1.0 + phi);
            assert!((ess / expected - 1.0).abs() < 0.08, "{ess} for {expected} at {phi}");
        }
    }

    #[test]
    fn chains_that_overshoot_are_worth_more_than_independent_ones_but_not_without_end() {
        let ess = effective_sample_size(&autoregression(-0.999, 4, 1000, 1)).unwrap();
        assert!((ess - 4000.0 * 4000f64.log10()).abs() < 1e-6, "{ess}");
    }

    #[test]
    fn chains_in_different_places_are_worth_little_and_their_ratio_tells() {
        let mut chains = autoregression(0.3, 4, 2000, 5);
        assert!((split_r_hat(&chains).unwrap() - 1.0).abs() < 0.01);
        assert!(effective_sample_size(&chains).unwrap() > 3000.0);
        chains[0].iter_mut().for_each(|x| *x += 5.0);
        assert!(split_r_hat(&chains).unwrap() > 1.5);
        assert!(effective_sample_size(&chains).unwrap() < 30.0);
    }

    #[test]
    fn ranks_know_the_size_of_an_autoregression_in_the_middle_and_in_the_tails() {
        for (phi, seed) in [(0.0, 1), (0.5, 2), (0.9, 3)] {
            let chains = autoregression(phi, 4, 20_000, seed);
            let expected = 80_000.0 * (1.0 - phi) / (1.0 + phi);
            let bulk = bulk_effective_sample_size(&chains).unwrap();
            assert!((bulk / expected - 1.0).abs() < 0.08, "{bulk} for {expected} at {phi}");
            // Being in the tail is forgotten sooner than the value.
            let tail = tail_effective_sample_size(&chains).unwrap();
            assert!(tail > 0.9 * expected && tail < 80_000.0 * 1.1, "{tail} for {expected} at {phi}");
        }
    }

    #[test]
    fn ranks_do_not_change_under_monotone_maps_and_survive_heavy_tails() {
        let chains = autoregression(0.5, 4, 500, 7);
        let wild: Vec<Vec<f64>> =
            chains.iter().map(|chain| chain.iter().map(|x| (3.0 * x).sinh()).collect()).collect();
        let of = |chains: &[Vec<f64>]| bulk_effective_sample_size(chains).unwrap();
        assert!((of(&chains) / of(&wild) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn chains_of_different_widths_around_one_place_are_told_by_folded_ranks_alone() {
        let mut chains = autoregression(0.3, 4, 2000, 8);
        assert!((rank_r_hat(&chains).unwrap() - 1.0).abs() < 0.01);
        chains[0].iter_mut().for_each(|x| *x *= 5.0);
        assert!(split_r_hat(&chains).unwrap() < 1.01);
        assert!(rank_r_hat(&chains).unwrap() > 1.1);
        chains[1].iter_mut().for_each(|x| *x += 9.0);
        assert!(rank_r_hat(&chains).unwrap() > 1.5);
    }

    #[test]
    fn a_drift_shows_in_the_halves_of_a_single_chain() {
        let mut chain = autoregression(0.3, 1, 2000, 6);
        chain[0].iter_mut().enumerate().for_each(|(t, x)| *x += 0.005 * t as f64);
        assert!(split_r_hat(&chain).unwrap() > 1.5);
        let still = [vec![1.0; 8], vec![2.0; 8]];
        assert_eq!(split_r_hat(&still).unwrap(), f64::INFINITY);
    }

    #[test]
    fn the_ratio_is_the_one_computed_by_hand() {
        // Halves 1 3, 2 4: means 2 and 3, variances within 2, of means 1/2; (2 / 2 + 1 / 2) / 2 = 3 / 4.
        assert!((split_r_hat(&[vec![1.0, 3.0, 2.0, 4.0]]).unwrap() - 0.75f64.sqrt()).abs() < 1e-15);
        assert!((split_r_hat(&[vec![1.0, 3.0, 99.0, 2.0, 4.0]]).unwrap() - 0.75f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn draws_that_cannot_be_diagnosed_are_refused() {
        for chains in [
            vec![],
            vec![vec![1.0, 2.0, 3.0]],
            vec![vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 2.0, 3.0, 4.0, 5.0]],
            vec![vec![1.0, 2.0, f64::NAN, 4.0]],
            vec![vec![1.0; 9], vec![1.0; 9]],
        ] {
            assert!(matches!(effective_sample_size(&chains), Err(Error::Draws { .. })), "{chains:?}");
            assert!(split_r_hat(&chains).is_err());
        }
    }
}
