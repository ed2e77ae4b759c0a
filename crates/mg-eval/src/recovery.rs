use std::fmt;

use candle_core::{Device, Tensor};

use crate::pixels::{check_shape, image_dims, values};
use crate::{Error, Result, SsimWindow, structural_similarity};

/// How far recovered images are from the originals, on the hidden pixels only (section 6.4, table 4).
///
/// All channels of a hidden pixel count. Differences are taken in [0, 1]: images of [-1, 1] are halved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecoveryError {
    /// Mean of |recovered - original| over all hidden pixels, in [0, 1].
    pub mae: f64,
    /// Peak signal-to-noise ratio in dB, -10 log10 of an image's mean squared error, averaged over the images
    /// with hidden pixels. Infinite when an image is recovered exactly.
    pub psnr: f64,
    /// The same ratio of the mean squared error over all hidden pixels of all images; never above the mean of
    /// the images' when all hide equally many pixels.
    pub pooled_psnr: f64,
    /// Structural similarity with the original of the image as a reader sees it, recovered pixels among the observed
    /// ones, averaged over the images with hidden pixels (see [`structural_similarity`], scikit-image's window).
    /// None when images are smaller than 7x7.
    pub ssim: Option<f64>,
    /// Images with hidden pixels.
    pub n_images: usize,
    /// Hidden pixels in all images.
    pub n_hidden: usize,
}

/// Scores recovered against original images, both [n, c, s, s] in [-1, 1]; `observed` [n, 1, s, s] is 1 where a
/// pixel was given and 0 where it was hidden.
///
/// Values are compared as they are, neither rounded to bytes nor clamped. The scale of table 4's "Error" is
/// not published; the mean absolute error in [0, 1] is this project's choice, PSNR the comparable column.
///
/// # Errors
/// When the shapes do not fit, `observed` holds anything but 0 and 1, a hidden pixel or one of an original is not
/// finite, or no pixel is hidden.
pub fn recovery_error(recovered: &Tensor, original: &Tensor, observed: &Tensor) -> Result<RecoveryError> {
    let (n, c, side) = image_dims(original)?;
    check_shape("recovered images", recovered, &[n, c, side, side])?;
    check_shape("observed pixels", observed, &[n, 1, side, side])?;
    let (recovered, original, observed) = (values(recovered)?, values(original)?, values(observed)?);
    let area = side * side;
    let mut images = Vec::with_capacity(n);
    for image in 0..n {
        let observed = &observed[image * area..(image + 1) * area];
        let of_image = image * c * area..(image + 1) * c * area;
        images.push(Errors::of(image, &recovered[of_image.clone()], &original[of_image], observed)?);
    }
    let hides: Vec<bool> = images.iter().map(|errors| errors.values > 0).collect();
    images.retain(|errors| errors.values > 0);
    if images.is_empty() {
        return Err(Error::NothingHidden { images: n });
    }
    let seen = as_seen(&recovered, &original, &observed, c, area);
    let ssim = mean_similarity(seen, original, (n, c, side), &hides)?;
    let all = images.iter().fold(Errors::default(), |sum, e| sum.plus(e));
    Ok(RecoveryError {
        mae: all.absolute / all.values as f64,
        psnr: images.iter().map(Errors::psnr).sum::<f64>() / images.len() as f64,
        pooled_psnr: all.psnr(),
        ssim,
        n_images: images.len(),
        n_hidden: all.values / c,
    })
}

/// Sums over hidden values.
#[derive(Clone, Copy, Default)]
struct Errors {
    absolute: f64,
    squared: f64,
    values: usize,
}

impl Errors {
    fn of(image: usize, recovered: &[f32], original: &[f32], observed: &[f32]) -> Result<Self> {
        if let Some(&value) = observed.iter().find(|&&o| o != 0.0 && o != 1.0) {
            return Err(Error::NotAMask { image, value: value.into() });
        }
        let mut errors = Errors::default();
        for (i, (&r, &o)) in recovered.iter().zip(original).enumerate() {
            if observed[i % observed.len()] == 1.0 {
                continue;
            }
            for (what, value) in [("recovered", r), ("original", o)] {
                if !value.is_finite() {
                    return Err(Error::NotFinite { what, image, value: value.into() });
                }
            }
            let difference = 0.5 * (f64::from(r) - f64::from(o));
            errors.absolute += difference.abs();
            errors.squared += difference * difference;
            errors.values += 1;
        }
        Ok(errors)
    }

    fn plus(self, other: &Errors) -> Errors {
        Errors {
            absolute: self.absolute + other.absolute,
            squared: self.squared + other.squared,
            values: self.values + other.values,
        }
    }

    fn psnr(&self) -> f64 {
        -10.0 * (self.squared / self.values as f64).log10()
    }
}

/// Recovered pixels where they were hidden, the originals' elsewhere.
fn as_seen(recovered: &[f32], original: &[f32], observed: &[f32], c: usize, area: usize) -> Vec<f32> {
    let is_observed = |i: usize| observed[i / (c * area) * area + i % area] == 1.0;
    (0..recovered.len()).map(|i| if is_observed(i) { original[i] } else { recovered[i] }).collect()
}

/// Over the images that hide something; None when they are smaller than a window.
fn mean_similarity(
    seen: Vec<f32>,
    original: Vec<f32>,
    (n, c, side): (usize, usize, usize),
    hides: &[bool],
) -> Result<Option<f64>> {
    let [seen, original] =
        [seen, original].map(|values| Tensor::from_vec(values, (n, c, side, side), &Device::Cpu));
    let similarities = match structural_similarity(&seen?, &original?, SsimWindow::Uniform) {
        Err(Error::SmallerThanWindow { .. }) => return Ok(None),
        similarities => similarities?,
    };
    let counted = || similarities.iter().zip(hides).filter(|(_, hides)| **hides);
    Ok(Some(counted().map(|(similarity, _)| similarity).sum::<f64>() / counted().count() as f64))
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecoveryError { mae, psnr, pooled_psnr, ssim, n_images, .. } = self;
        write!(f, "error {mae:.4}, PSNR {psnr:.2} dB (pooled {pooled_psnr:.2}), ")?;
        if let Some(ssim) = ssim {
            write!(f, "SSIM {ssim:.3}, ")?;
        }
        write!(f, "{n_images} images")
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use proptest::prelude::*;

    use super::*;

    fn images(values: Vec<f32>, shape: (usize, usize, usize, usize)) -> Tensor {
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Two 2x2 grey images, black; the first hides its first pixel, the second its first two.
    fn observed() -> Tensor {
        images(vec![0., 1., 1., 1., 0., 0., 1., 1.], (2, 1, 2, 2))
    }

    #[test]
    fn errors_are_those_computed_by_hand() {
        let original = images(vec![-1.0; 8], (2, 1, 2, 2));
        // In [0, 1]: off by 0.1; off by 0.2 and 0.4; observed pixels off by 1, which must not count.
        let recovered = images(vec![-0.8, 1., 1., 1., -0.6, -0.2, 1., 1.], (2, 1, 2, 2));
        let error = recovery_error(&recovered, &original, &observed()).unwrap();
        let db = |mse: f64| -10.0 * mse.log10();
        assert!((error.mae - 0.7 / 3.0).abs() < 1e-7);
        assert!((error.psnr - (db(0.01) + db(0.1)) / 2.0).abs() < 1e-5);
        assert!((error.pooled_psnr - db(0.07)).abs() < 1e-5);
        assert_eq!((error.n_images, error.n_hidden), (2, 3));
        assert_eq!(error.to_string(), "error 0.2333, PSNR 15.00 dB (pooled 11.55), 2 images");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_constant_offset_has_its_psnr(offset in 0.01f32..1.0, channels in 1usize..4, n in 1usize..4) {
            let original = images(vec![-0.5; n * channels * 9], (n, channels, 3, 3));
            let recovered = (&original + f64::from(offset)).unwrap();
            let observed = images(vec![0.0; n * 9], (n, 1, 3, 3));
            let error = recovery_error(&recovered, &original, &observed).unwrap();
            let expected = -20.0 * (f64::from(offset) / 2.0).log10();
            prop_assert!((error.mae - f64::from(offset) / 2.0).abs() < 1e-6);
            prop_assert!((error.psnr - expected).abs() < 1e-3 && (error.pooled_psnr - expected).abs() < 1e-3);
            prop_assert_eq!(error.n_hidden, n * 9);
        }

        #[test]
        fn pooling_never_raises_the_psnr_of_equal_masks(values in prop::collection::vec(-1f32..1.0, 24)) {
            let original = images(vec![0.0; 24], (6, 1, 2, 2));
            let observed = images([0., 0., 1., 1.].repeat(6), (6, 1, 2, 2));
            let error = recovery_error(&images(values, (6, 1, 2, 2)), &original, &observed).unwrap();
            prop_assert!(error.pooled_psnr <= error.psnr + 1e-9);
        }
    }

    #[test]
    fn a_perfect_recovery_has_no_error() {
        let x = images(vec![0.3; 8], (2, 1, 2, 2));
        let error = recovery_error(&x, &x, &observed()).unwrap();
        assert_eq!((error.mae, error.psnr), (0.0, f64::INFINITY));
    }

    #[test]
    fn images_that_hide_nothing_do_not_count() {
        let original = images(vec![-1.0; 8], (2, 1, 2, 2));
        let recovered = images(vec![0.0; 8], (2, 1, 2, 2));
        let second_only = images(vec![1., 1., 1., 1., 0., 0., 0., 0.], (2, 1, 2, 2));
        let error = recovery_error(&recovered, &original, &second_only).unwrap();
        assert_eq!((error.n_images, error.mae), (1, 0.5));
        let nothing = observed().ones_like().unwrap();
        assert!(
            recovery_error(&recovered, &original, &nothing).unwrap_err().to_string().contains("2 images")
        );
    }

    #[test]
    fn similarity_is_that_of_whole_images_with_observed_pixels_put_back() {
        let pixel = |i: usize| (i as f32 * 0.37).sin();
        let original = images((0..2 * 3 * 64).map(pixel).collect(), (2, 3, 8, 8));
        let recovered = images((0..2 * 3 * 64).map(|i| pixel(i + i / 5)).collect(), (2, 3, 8, 8));
        // The first image hides its upper half, the second nothing.
        let observed = images((0..128).map(|i| if i < 32 { 0.0 } else { 1.0 }).collect(), (2, 1, 8, 8));
        let error = recovery_error(&recovered, &original, &observed).unwrap();
        let [upper, lower] = [&recovered, &original].map(|x| x.narrow(0, 0, 1).unwrap());
        let seen = [upper.narrow(2, 0, 4).unwrap(), lower.narrow(2, 4, 4).unwrap()];
        let seen = Tensor::cat(&seen, 2).unwrap();
        let expected = structural_similarity(&seen, &lower, SsimWindow::Uniform).unwrap()[0];
        assert_eq!(error.ssim, Some(expected));
        assert!(error.to_string().contains(&format!("SSIM {expected:.3}, 1 images")), "{error}");
    }

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        let x = images(vec![0.0; 8], (2, 1, 2, 2));
        let other = Tensor::zeros((2, 3, 2, 2), DType::F32, &Device::Cpu).unwrap();
        let message = |r: &Tensor, o: &Tensor, m: &Tensor| recovery_error(r, o, m).unwrap_err().to_string();
        assert!(message(&other, &x, &observed()).contains("[2, 3, 2, 2]"));
        assert!(message(&x, &x, &other).contains("observed pixels [2, 3, 2, 2]"));
        assert!(message(&x, &x, &(observed() * 0.5).unwrap()).contains("image 0 has 0.5"));
        let diverged = images(vec![0., 0., 0., 0., f32::NAN, 0., 0., 0.], (2, 1, 2, 2));
        assert!(message(&diverged, &x, &observed()).contains("recovered image 1 holds NaN"));
    }
}
