/// Max pools maps of `side` x `side` values, one after the other, to maps of `to` x `to`, appended to `out`.
///
/// Row i of the result covers the rows floor(i side / to) up to ceil((i + 1) side / to), as PyTorch's
/// `adaptive_max_pool2d` has it: disjoint windows where `to` divides the side, overlapping ones elsewhere, and repeated
/// values where the side is below `to`. NaN wins.
pub(crate) fn max_pool(maps: &[f32], side: usize, to: usize, out: &mut Vec<f32>) {
    let window = |i: usize| i * side / to..((i + 1) * side).div_ceil(to);
    let larger = |a: f32, b: f32| if b > a || b.is_nan() { b } else { a };
    for map in maps.chunks_exact(side * side) {
        for i in 0..to {
            for j in 0..to {
                let rows = window(i).map(|y| &map[y * side..][window(j)]);
                out.push(rows.flatten().copied().fold(f32::NEG_INFINITY, larger));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled(side: usize, to: usize) -> Vec<f32> {
        let map: Vec<f32> = (0..side * side).map(|i| i as f32).collect();
        let mut out = vec![];
        max_pool(&map, side, to, &mut out);
        out
    }

    #[test]
    fn windows_are_disjoint_where_the_side_divides() {
        assert_eq!(pooled(4, 2), [5., 7., 13., 15.]);
        assert_eq!(pooled(4, 4), (0..16).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(pooled(32, 4)[..2], [7. * 32. + 7., 7. * 32. + 15.]);
    }

    /// Values of PyTorch's `adaptive_max_pool2d`.
    #[test]
    fn windows_overlap_and_repeat_where_it_does_not() {
        assert_eq!(pooled(5, 2), [12., 14., 22., 24.]);
        assert_eq!(pooled(3, 2), [4., 5., 7., 8.]);
        assert_eq!(pooled(2, 4), [0., 0., 1., 1., 0., 0., 1., 1., 2., 2., 3., 3., 2., 2., 3., 3.]);
    }

    #[test]
    fn negative_values_and_nan_stay() {
        let mut out = vec![];
        max_pool(&[-3.0, -2.0, -5.0, -4.0, 1.0, f32::NAN, 0.0, 2.0], 2, 1, &mut out);
        assert!(out[0] == -2.0 && out[1].is_nan());
    }
}
