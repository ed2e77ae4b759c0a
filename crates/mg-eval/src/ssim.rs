use candle_core::Tensor;

use crate::pixels::{check_shape, image_dims, values};
use crate::{Error, Result};

/// Over which pixels around a place SSIM takes its means, variances and covariance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SsimWindow {
    /// 7x7 pixels of equal weight and the sample covariance (divisor 48): scikit-image's default.
    #[default]
    Uniform,
    /// 11x11 pixels with the weights of a normal of deviation 1.5 and the weighted covariance, as Wang et al.
    Gaussian,
}

/// The structural similarity of each image of `a` with that of `b`, both [n, c, s, s] in [-1, 1]: one number in
/// [-1, 1] per image, 1 for equal images (Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error
/// visibility to structural similarity", IEEE TIP 2004, equation 13, with K1 = 0.01 and K2 = 0.03).
///
/// Means over the windows that lie within the image, then over the channels. It is computed in [0, 1], in double
/// precision, and equals scikit-image's `structural_similarity` of images in [0, 1] with `data_range=1` and, for
/// [`SsimWindow::Gaussian`], `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
///
/// # Errors
/// When the shapes differ, the images are smaller than a window, or a pixel is not finite.
pub fn structural_similarity(a: &Tensor, b: &Tensor, window: SsimWindow) -> Result<Vec<f64>> {
    let (n, c, side) = image_dims(a)?;
    check_shape("images to compare", b, &[n, c, side, side])?;
    let window = Window::of(window);
    if side < window.weights.len() {
        return Err(Error::SmallerThanWindow { side, window: window.weights.len() });
    }
    let (a, b) = (unit_values("first", a, n)?, unit_values("second", b, n)?);
    let area = side * side;
    let channels = a.chunks_exact(area).zip(b.chunks_exact(area));
    let of_channels: Vec<f64> = channels.map(|(a, b)| window.mean_similarity(a, b, side)).collect();
    Ok(of_channels.chunks_exact(c).map(|of_one| of_one.iter().sum::<f64>() / c as f64).collect())
}

/// The pixels in [0, 1], checked.
fn unit_values(what: &'static str, images: &Tensor, n: usize) -> Result<Vec<f64>> {
    let values = values(images)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (image, value) = (at / (values.len() / n), values[at].into());
        return Err(Error::NotFinite { what, image, value });
    }
    Ok(values.iter().map(|&value| 0.5 * (f64::from(value) + 1.0)).collect())
}

struct Window {
    /// Weights along one axis, of sum 1; a pixel's weight is the product of its two.
    weights: Vec<f64>,
    /// What makes a mean of squared deviations a variance.
    correction: f64,
}

/// Stabilisers (0.01 L)^2 and (0.03 L)^2 for the range L = 1.
const STABILISERS: (f64, f64) = (0.0001, 0.0009);

impl Window {
    fn of(window: SsimWindow) -> Self {
        match window {
            SsimWindow::Uniform => Window { weights: vec![1.0 / 7.0; 7], correction: 49.0 / 48.0 },
            SsimWindow::Gaussian => {
                let bell = |i: i32| (-0.5 * (f64::from(i) / 1.5).powi(2)).exp();
                let sum: f64 = (-5..=5).map(bell).sum();
                Window { weights: (-5..=5).map(|i| bell(i) / sum).collect(), correction: 1.0 }
            }
        }
    }

    /// The mean over all windows of two images of one channel, [side, side].
    fn mean_similarity(&self, a: &[f64], b: &[f64], side: usize) -> f64 {
        let means = |of: &dyn Fn(f64, f64) -> f64| {
            let pixels: Vec<f64> = a.iter().zip(b).map(|(&x, &y)| of(x, y)).collect();
            self.means(&pixels, side)
        };
        let [x, y] = [means(&|x, _| x), means(&|_, y| y)];
        let [xx, yy, xy] = [means(&|x, _| x * x), means(&|_, y| y * y), means(&|x, y| x * y)];
        let similarity = |i: usize| {
            let (mx, my) = (x[i], y[i]);
            let variances = self.correction * ((xx[i] - mx * mx) + (yy[i] - my * my));
            let covariance = self.correction * (xy[i] - mx * my);
            let alike = (2.0 * mx * my + STABILISERS.0) * (2.0 * covariance + STABILISERS.1);
            alike / ((mx * mx + my * my + STABILISERS.0) * (variances + STABILISERS.1))
        };
        (0..x.len()).map(similarity).sum::<f64>() / x.len() as f64
    }

    /// The weighted mean of every window within an image [side, side], along rows and then along columns.
    fn means(&self, pixels: &[f64], side: usize) -> Vec<f64> {
        let inner = side + 1 - self.weights.len();
        let along_row = |row: &[f64]| -> Vec<f64> {
            let windows = row.windows(self.weights.len());
            windows.map(|some| some.iter().zip(&self.weights).map(|(v, w)| v * w).sum()).collect()
        };
        let rows: Vec<f64> = pixels.chunks_exact(side).flat_map(along_row).collect(); // [side, inner]
        let down = |at: usize| {
            let column = rows[at..].iter().step_by(inner);
            column.zip(&self.weights).map(|(v, w)| v * w).sum()
        };
        (0..inner * inner).map(down).collect()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_random::Key;
    use proptest::prelude::*;

    use super::*;

    const WINDOWS: [SsimWindow; 2] = [SsimWindow::Uniform, SsimWindow::Gaussian];

    fn uniform(shape: (usize, usize, usize, usize), seed: u64) -> Tensor {
        let (n, c, s, _) = shape;
        let mut values = vec![0f32; n * c * s * s];
        Key::new(seed).fill_uniform(&mut values);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().affine(2.0, -1.0).unwrap()
    }

    #[test]
    fn constant_images_have_the_closed_form_of_their_brightness() {
        let flat = |value: f32| Tensor::full(2.0 * value - 1.0, (1, 3, 16, 16), &Device::Cpu).unwrap();
        for window in WINDOWS {
            let similarity = structural_similarity(&flat(0.5), &flat(0.25), window).unwrap()[0];
            let expected = (2.0 * 0.125 + 0.0001) / (0.25 + 0.0625 + 0.0001);
            assert!((similarity - expected).abs() < 1e-12, "{window:?}: {similarity}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_is_one_for_equal_images_symmetric_and_below_one(seed: u64, side in 11usize..20, c in 1usize..4) {
            let (a, b) = (uniform((2, c, side, side), seed), uniform((2, c, side, side), !seed));
            for window in WINDOWS {
                let of = |a: &Tensor, b: &Tensor| structural_similarity(a, b, window).unwrap();
                prop_assert!(of(&a, &a).iter().all(|s| (s - 1.0).abs() < 1e-12));
                prop_assert_eq!(of(&a, &b), of(&b, &a));
                prop_assert!(of(&a, &b).iter().all(|&s| (-1.0..0.9).contains(&s)));
            }
        }
    }

    #[test]
    fn a_negative_is_unlike_its_image() {
        let image = uniform((1, 1, 16, 16), 3);
        let negative = image.neg().unwrap();
        for window in WINDOWS {
            assert!(structural_similarity(&image, &negative, window).unwrap()[0] < -0.5);
        }
    }

    #[test]
    fn images_are_compared_one_by_one() {
        let (a, b) = (uniform((3, 2, 12, 12), 1), uniform((3, 2, 12, 12), 2));
        let all = structural_similarity(&a, &b, SsimWindow::Uniform).unwrap();
        for (i, similarity) in all.into_iter().enumerate() {
            let one = |x: &Tensor| x.narrow(0, i, 1).unwrap();
            assert_eq!(structural_similarity(&one(&a), &one(&b), SsimWindow::Uniform).unwrap(), [similarity]);
        }
    }

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        let zeros =
            |shape: (usize, usize, usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let message =
            |a: &Tensor, b: &Tensor, window| structural_similarity(a, b, window).unwrap_err().to_string();
        let x = zeros((2, 3, 8, 8));
        assert!(message(&x, &zeros((2, 1, 8, 8)), SsimWindow::Uniform).contains("[2, 1, 8, 8]"));
        assert!(message(&x, &x, SsimWindow::Gaussian).contains("side 8"));
        let tiny = zeros((1, 1, 6, 6));
        assert!(message(&tiny, &tiny, SsimWindow::Uniform).contains("7x7"));
        let diverged = x.log().unwrap();
        assert!(message(&x, &diverged, SsimWindow::Uniform).contains("second image 0 holds -inf"));
    }
}
