//! Long lines with fewer points.

/// Most points drawn of a line; longer ones keep the lowest and highest point of each stretch.
const MAX_POINTS: usize = 1200;

/// At most about [`MAX_POINTS`] points: of each stretch the lowest, the highest and, as a break, one that is
/// not finite.
pub(crate) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * MAX_POINTS);
    for stretch in points.chunks(points.len().div_ceil(MAX_POINTS / 2)) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let finite = || stretch.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let mut ends: Vec<_> =
            finite().min_by(by_height).into_iter().chain(finite().max_by(by_height)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(ends);
        kept.extend(stretch.iter().find(|p| !(p.0.is_finite() && p.1.is_finite())));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_thinned_but_keep_their_extremes() {
        let n = 100_000;
        let spike = |i: usize| if i == 54_321 { 50.0 } else { (i as f64 * 0.01).sin() };
        let points: Vec<_> = (0..n).map(|i| (i as f64, spike(i))).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= MAX_POINTS && kept.contains(&(54_321.0, 50.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let short = &points[..MAX_POINTS];
        assert_eq!(thinned(short), short);
    }
}
