use candle_core::{DType, Device, Tensor};

use crate::area_average::AreaAverage;
use crate::{Error, Result};

/// Scales a batch down to a coarser grid: x [n, c, s, s] -> [n, c, side, side].
///
/// A whole ratio d = s / side gives the mean of each d x d block (section 5: the projection onto the blocks'
/// indicator vectors). Any other ratio averages by area, Y = A X A^T with A[i, j] the share of coarse row i
/// covered by fine row j. Common image libraries interpolate instead, which is no projection.
///
/// Steps compose, `down(down(x, a), b) == down(x, b)`, whenever a is a multiple of b. The result keeps x's
/// floating-point type and device; gradients flow.
///
/// # Errors
/// When x is not a batch of square floating-point images, or `side` is 0 or above s.
pub fn down(x: &Tensor, side: usize) -> Result<Tensor> {
    let (n, c, s) = image_dims(x)?;
    if side == s {
        return Ok(x.clone());
    }
    let average = AreaAverage::new(side, s).ok_or(Error::Down { from: s, to: side })?;
    if !s.is_multiple_of(side) {
        return on_both_axes(x, &average.matrix(), side);
    }
    let d = s / side;
    // Half-precision sums of thousands of pixels would lose most of their digits.
    let sum_type = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let rows = x.to_dtype(sum_type)?.reshape((n * c * s * side, d))?.sum(1)?; // [n c s side]
    let blocks = rows.reshape((n * c * side, d, side))?.sum(1)?; // [n c side, side]
    let means = (blocks.reshape((n, c, side, side))? * (1.0 / (d * d) as f64))?;
    Ok(means.to_dtype(x.dtype())?)
}

/// Scales a batch up to a finer grid: x [n, c, s, s] -> [n, c, side, side].
///
/// The Moore-Penrose pseudo-inverse of [`down`]: a whole ratio repeats every pixel as a constant block, any
/// other ratio applies A^+ = A^T (A A^T)^-1 to both axes, so `down(up(x, side), s) == x` always. At a ratio
/// that is not whole the result may leave [-1, 1] (at 1.5 it is up to 2.25 times as large as x): a sampler
/// that clamps brings it back.
///
/// # Errors
/// When x is not a batch of square floating-point images, or `side` is below s.
pub fn up(x: &Tensor, side: usize) -> Result<Tensor> {
    let (n, c, s) = image_dims(x)?;
    if side == s {
        return Ok(x.clone());
    }
    let average = AreaAverage::new(s, side).ok_or(Error::Up { from: s, to: side })?;
    if !side.is_multiple_of(s) {
        return on_both_axes(x, &average.pseudo_inverse(), side);
    }
    let d = side / s;
    let blocks = x.reshape((n * c * s, 1, s, 1))?.broadcast_as((n * c * s, d, s, d))?;
    Ok(blocks.reshape((n, c, side, side))?)
}

/// How an image of a coarser grid becomes one of a finer grid. Both keep it: `down` of the result is the image again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Upscale {
    /// Every pixel becomes a constant block ([`up`]; the paper).
    #[default]
    Blocks,
    /// Of all images with these means the smoothest, axis by axis: the one with the smallest sum of squared differences
    /// of neighbouring pixels. Its values may leave [-1, 1].
    Smooth,
}

impl Upscale {
    /// Scales a batch up to a finer grid: x [n, c, s, s] -> [n, c, side, side]. The result keeps x's floating-point type
    /// and device; gradients flow.
    ///
    /// # Errors
    /// When x is not a batch of square floating-point images, or `side` is below s.
    pub fn apply(self, x: &Tensor, side: usize) -> Result<Tensor> {
        let (_, _, s) = image_dims(x)?;
        if self == Upscale::Blocks || side == s {
            return up(x, side);
        }
        let average = AreaAverage::new(s, side).ok_or(Error::Up { from: s, to: side })?;
        on_both_axes(x, &average.smoothest_inverse(), side)
    }
}

/// M X M^T for every channel of every image; `matrix` holds M [side, s].
pub(crate) fn on_both_axes(x: &Tensor, matrix: &[f64], side: usize) -> Result<Tensor> {
    let (n, c, s) = image_dims(x)?;
    // Rounded before it moves: not every device has f64.
    let m =
        Tensor::from_slice(matrix, (side, s), &Device::Cpu)?.to_dtype(x.dtype())?.to_device(x.device())?;
    let m_t = m.t()?.contiguous()?; // [s, side]
    let columns = x.reshape((n * c * s, s))?.matmul(&m_t)?.reshape((n * c, s, side))?;
    let turned = columns.transpose(1, 2)?.reshape((n * c * side, s))?;
    let both = turned.matmul(&m_t)?.reshape((n * c, side, side))?.transpose(1, 2)?;
    Ok(both.reshape((n, c, side, side))?)
}

/// (n, c, s) of a batch of square floating-point images [n, c, s, s].
pub(crate) fn image_dims(x: &Tensor) -> Result<(usize, usize, usize)> {
    match *x.dims() {
        [n, c, h, w] if h == w && h > 0 && n > 0 && c > 0 => {
            let float = matches!(x.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64);
            if float { Ok((n, c, h)) } else { Err(Error::NotFloat { dtype: x.dtype() }) }
        }
        _ => Err(Error::NotImages { shape: x.dims().to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use mg_random::Key;
    use proptest::prelude::*;

    use super::*;

    fn noise(shape: (usize, usize, usize, usize), seed: u64, dtype: DType) -> Tensor {
        let mut values = vec![0f32; shape.0 * shape.1 * shape.2 * shape.3];
        Key::new(seed).fill_normal(&mut values);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.dims(), b.dims());
        let max = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        max.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn up_then_down_is_identity(side in 1usize..12, more in 0usize..24, n in 1usize..3, c in 1usize..4, seed: u64) {
            let x = noise((n, c, side, side), seed, DType::F64);
            prop_assert!(distance(&down(&up(&x, side + more).unwrap(), side).unwrap(), &x) < 1e-11);
            let smooth = Upscale::Smooth.apply(&x, side + more).unwrap();
            prop_assert!(distance(&down(&smooth, side).unwrap(), &x) < 1e-9);
            let x = x.to_dtype(DType::F32).unwrap();
            prop_assert!(distance(&down(&up(&x, side + more).unwrap(), side).unwrap(), &x) < 1e-4);
        }

        #[test]
        fn down_then_up_is_a_projection(coarse in 1usize..8, more in 0usize..16, seed: u64) {
            let x = noise((1, 2, coarse + more, coarse + more), seed, DType::F64);
            let project = |x: &Tensor| up(&down(x, coarse).unwrap(), coarse + more).unwrap();
            let once = project(&x);
            prop_assert!(distance(&project(&once), &once) < 1e-11);
            // Orthogonal: what is lost is orthogonal to what is kept.
            let inner = ((&x - &once).unwrap() * &once).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
            prop_assert!(inner.abs() < 1e-8, "inner product {inner}");
        }

        #[test]
        fn down_composes_when_the_last_ratio_is_whole(b in 1usize..7, d in 1usize..4, more in 0usize..20, seed: u64) {
            let x = noise((2, 1, b * d + more, b * d + more), seed, DType::F64);
            let steps = down(&down(&x, b * d).unwrap(), b).unwrap();
            prop_assert!(distance(&steps, &down(&x, b).unwrap()) < 1e-12);
        }

        #[test]
        fn both_preserve_the_mean_of_an_image(s in 1usize..12, more in 0usize..12, seed: u64) {
            let x = noise((1, 1, s, s), seed, DType::F64);
            let mean = |x: &Tensor| x.mean_all().unwrap().to_scalar::<f64>().unwrap();
            prop_assert!((mean(&up(&x, s + more).unwrap()) - mean(&x)).abs() < 1e-11);
            let y = noise((1, 1, s + more, s + more), seed, DType::F64);
            prop_assert!((mean(&down(&y, s).unwrap()) - mean(&y)).abs() < 1e-12);
        }

        #[test]
        fn blocks_agree_with_the_matrices_at_whole_ratios(m in 1usize..7, d in 2usize..6, seed: u64) {
            let average = AreaAverage::new(m, m * d).unwrap();
            let x = noise((2, 3, m * d, m * d), seed, DType::F64);
            let by_matrix = on_both_axes(&x, &average.matrix(), m).unwrap();
            prop_assert!(distance(&down(&x, m).unwrap(), &by_matrix) < 1e-13);
            let y = noise((2, 3, m, m), seed, DType::F64);
            let by_matrix = on_both_axes(&y, &average.pseudo_inverse(), m * d).unwrap();
            prop_assert!(distance(&up(&y, m * d).unwrap(), &by_matrix) < 1e-12);
        }
    }

    #[test]
    fn down_averages_blocks_and_up_repeats_pixels() {
        let x = Tensor::arange(0f32, 16., &Device::Cpu).unwrap().reshape((1, 1, 4, 4)).unwrap();
        let coarse = down(&x, 2).unwrap();
        assert_eq!(coarse.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [2.5, 4.5, 10.5, 12.5]);
        let fine = up(&coarse, 4).unwrap().squeeze(0).unwrap().squeeze(0).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(fine[0], [2.5, 2.5, 4.5, 4.5]);
        assert_eq!(fine[0], fine[1]);
        assert_eq!(fine[3], [10.5, 10.5, 12.5, 12.5]);
    }

    #[test]
    fn views_scale_like_their_copies() {
        let view = noise((2, 3, 9, 9), 1, DType::F32).transpose(2, 3).unwrap();
        let copy = view.contiguous().unwrap();
        for side in [3, 6] {
            assert_eq!(distance(&down(&view, side).unwrap(), &down(&copy, side).unwrap()), 0.0);
        }
        for side in [12, 18] {
            assert_eq!(distance(&up(&view, side).unwrap(), &up(&copy, side).unwrap()), 0.0);
        }
    }

    #[test]
    fn half_precision_images_keep_their_means() {
        let x = noise((1, 3, 64, 64), 5, DType::BF16);
        let exact = down(&x.to_dtype(DType::F64).unwrap(), 1).unwrap();
        let mean = down(&x, 1).unwrap();
        assert_eq!(mean.dtype(), DType::BF16);
        assert!(distance(&mean.to_dtype(DType::F64).unwrap(), &exact) < 0.004 * 0.1);
    }

    #[test]
    fn gradients_flow_through_both() {
        let x = Var::from_tensor(&noise((1, 1, 4, 4), 2, DType::F64)).unwrap();
        let up_sum = up(&x, 8).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(distance(up_sum.get(&x).unwrap(), &x.ones_like().unwrap().affine(4.0, 0.0).unwrap()) < 1e-12);
        let down_sum = down(&x, 3).unwrap().sum_all().unwrap().backward().unwrap();
        let share = x.ones_like().unwrap().affine(9.0 / 16.0, 0.0).unwrap();
        assert!(distance(down_sum.get(&x).unwrap(), &share) < 1e-12);
    }

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        let x = noise((1, 3, 16, 16), 0, DType::F32);
        assert!(down(&x, 0).unwrap_err().to_string().contains("side 16 down to 0"));
        assert!(down(&x, 17).unwrap_err().to_string().contains("side 16 down to 17"));
        assert!(up(&x, 15).unwrap_err().to_string().contains("side 16 up to 15"));
        let flat = x.flatten_from(1).unwrap();
        assert!(down(&flat, 1).unwrap_err().to_string().contains("[1, 768]"));
        assert!(down(&x.narrow(2, 0, 8).unwrap(), 1).unwrap_err().to_string().contains("[1, 3, 8, 16]"));
        let bytes = x.to_dtype(DType::U8).unwrap();
        assert!(up(&bytes, 32).unwrap_err().to_string().contains("U8"));
    }
}
