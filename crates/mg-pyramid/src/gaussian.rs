//! The Gaussian of a grid's images given a coarser one: the type and its sampling here, the covariance of grids too large for
//! all pairs of pixels in [`spectrum`], learning in [`learner`], storage in [`stored`].

mod learner;
mod spectrum;
mod stored;

use candle_core::{DType, Device, Tensor};
use mg_random::Key;

use crate::scale::image_dims;
use crate::{Error, Result, Upscale};
pub use learner::{GaussianLearner, MAX_GAUSSIAN};
use spectrum::Spectrum;

/// The normal law of the images of one grid given their version on a coarser grid, with the mean and the covariance of
/// observed images: where chains can start in place of an upscaled image.
///
/// [`up`](crate::up) knows nothing of images and [`Upscale::Smooth`](crate::Upscale::Smooth) only that neighbours are
/// alike; this law knows all that second moments say, and draws many different fine images for one coarse image. Like
/// them it keeps the coarse image: [`down`](crate::down) of a draw is that image again. For aligned faces its draws on
/// 16x16 are blurred faces (Turk and Pentland's eigenfaces, 1991); what is not Gaussian is left to the energies.
///
/// A draw is a linear function of the coarse image c and of d = channels side^2 standard normal numbers z (Matheron's
/// rule: draw y from the joint law, then add G (c - down(y)), with G the regression of fine on coarse images):
/// y = mean + z factor + c gain.
///
/// That takes the covariance of all pairs of pixels ([`Covariance::Full`]). On larger grids it is of detail that is alike
/// everywhere ([`Covariance::Stationary`]): y is the smoothest image with the means c, and detail with the mean and the
/// spectrum of what observed images have beyond theirs, made to keep c.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mg_pyramid::{ConditionalGaussian, Key, down};
///
/// // Ramps of any height, from left to right or from right to left.
/// let numbers = (0..100).flat_map(|i| {
///     let (height, slope) = ((i / 2) as f32 / 100., if i % 2 == 0 { 0.2 } else { -0.2 });
///     [height - slope, height + slope, height - slope, height + slope]
/// });
/// let x = Tensor::from_iter(numbers, &Device::Cpu)?.reshape((100, 1, 2, 2))?;
/// let gaussian = ConditionalGaussian::learn(&x, 1)?;
/// let coarse = Tensor::new(&[0.1f32, 0.4], &Device::Cpu)?.reshape((2, 1, 1, 1))?;
/// let y = gaussian.sample(&coarse, Key::new(0))?; // [2, 1, 2, 2]
/// assert!((down(&y, 1)? - coarse)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-3);
/// # Ok::<(), mg_pyramid::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConditionalGaussian {
    channels: usize,
    coarse: usize,
    side: usize,
    n_images: u64,
    law: Law,
}

/// What is known of how pixels go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covariance {
    /// The covariance of all pairs, of up to [`MAX_GAUSSIAN`] numbers per image.
    Full,
    /// That of the channels at every pair of frequencies of the cosine transform.
    Stationary,
}

#[derive(Clone, Debug)]
enum Law {
    Full {
        /// The mean where the coarse image is 0, [1, d].
        mean: Tensor,
        /// What z is multiplied by, [d, d].
        factor: Tensor,
        /// What the coarse image is multiplied by, [channels coarse^2, d].
        gain: Tensor,
    },
    Stationary {
        /// The mean detail, [1, d].
        mean: Tensor,
        spectrum: Spectrum,
    },
}

impl ConditionalGaussian {
    /// Learns from one batch x [n, c, s, s] the law of such images given their version of side `coarse`. For sets larger
    /// than memory see [`GaussianLearner`].
    ///
    /// # Errors
    /// As for [`GaussianLearner::new`] and [`GaussianLearner::observe`].
    pub fn learn(x: &Tensor, coarse: usize) -> Result<Self> {
        let (_, channels, side) = image_dims(x)?;
        let mut learner = GaussianLearner::new(channels, coarse, side, Covariance::Full)?;
        learner.observe(x)?;
        learner.finish()
    }

    /// The sides of the coarse images and of those drawn.
    pub fn sides(&self) -> (usize, usize) {
        (self.coarse, self.side)
    }

    /// Channels per image.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of images it was learned from.
    pub fn n_images(&self) -> u64 {
        self.n_images
    }

    /// Draws one image for each of `coarse`, [n, c, s, s] -> [n, c, side, side], in the type and on the device of
    /// `coarse`; image i depends on its coarse image, the key and i only. Its values may leave [-1, 1].
    ///
    /// # Errors
    /// When `coarse` is of another side or has other channels.
    pub fn sample(&self, coarse: &Tensor, key: Key) -> Result<Tensor> {
        self.sample_from(coarse, key, 0)
    }

    /// What [`sample`](Self::sample) draws for images number `first`, `first` + 1, ... of a longer batch.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn sample_from(&self, coarse: &Tensor, key: Key, first: u64) -> Result<Tensor> {
        let d = self.dim();
        let n = self.check(coarse)?;
        let mut z = vec![0f32; n * d];
        for (number, z) in (first..).zip(z.chunks_exact_mut(d)) {
            key.fold(number).fill_normal(z);
        }
        let z = Tensor::from_vec(z, (n, d), coarse.device())?;
        let random = match &self.law {
            Law::Full { factor, .. } => product(&z, factor)?,
            Law::Stationary { spectrum, .. } => spectrum.detail(&z, self.coarse)?,
        };
        self.images(coarse, &(self.expected(coarse)? + random)?)
    }

    /// The mean for each of `coarse`, [n, c, s, s] -> [n, c, side, side]: the linear prediction of least squared error.
    ///
    /// # Errors
    /// When `coarse` is of another side or has other channels.
    pub fn mean(&self, coarse: &Tensor) -> Result<Tensor> {
        self.images(coarse, &self.expected(coarse)?)
    }

    /// The same law, kept on another device: where its coarse images will be.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let law = match &self.law {
            Law::Full { mean, factor, gain } => {
                let [mean, factor, gain] = [mean, factor, gain].map(|tensor| tensor.to_device(device));
                Law::Full { mean: mean?, factor: factor?, gain: gain? }
            }
            Law::Stationary { mean, spectrum } => {
                Law::Stationary { mean: mean.to_device(device)?, spectrum: spectrum.to_device(device)? }
            }
        };
        Ok(ConditionalGaussian { law, ..*self })
    }

    /// Numbers per image.
    fn dim(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// How many coarse images there are.
    fn check(&self, coarse: &Tensor) -> Result<usize> {
        let (n, channels, side) = image_dims(coarse)?;
        if (channels, side) != (self.channels, self.coarse) {
            let (given, needed) = ((channels, side), (self.channels, self.coarse));
            return Err(Error::GaussianImages { given, needed });
        }
        Ok(n)
    }

    /// The mean for each coarse image, [n, d], f32.
    fn expected(&self, coarse: &Tensor) -> Result<Tensor> {
        self.check(coarse)?;
        let coarse = coarse.to_dtype(DType::F32)?;
        let (rows, mean) = match &self.law {
            Law::Full { mean, gain, .. } => (product(&coarse.flatten_from(1)?.contiguous()?, gain)?, mean),
            Law::Stationary { mean, .. } => {
                (Upscale::Smooth.apply(&coarse, self.side)?.flatten_from(1)?, mean)
            }
        };
        Ok(rows.broadcast_add(&mean.to_device(rows.device())?)?)
    }

    fn images(&self, coarse: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let shape = (rows.dim(0)?, self.channels, self.side, self.side);
        Ok(rows.reshape(shape)?.to_dtype(coarse.dtype())?)
    }
}

/// x m of x [n, k] and m [k, d], both f32. On a CPU a row has the same bits whatever the others are and however many,
/// which a library's product does not promise.
fn product(x: &Tensor, m: &Tensor) -> Result<Tensor> {
    let m = m.to_device(x.device())?;
    if !x.device().is_cpu() {
        return Ok(x.matmul(&m)?);
    }
    let ((n, k), d) = (x.dims2()?, m.dim(1)?);
    let (x, m) = (x.flatten_all()?.to_vec1::<f32>()?, m.flatten_all()?.to_vec1::<f32>()?);
    let mut out = vec![0f32; n * d];
    for first in (0..d).step_by(COLUMNS) {
        let columns = first..d.min(first + COLUMNS);
        for j in 0..k {
            let m = &m[j * d..(j + 1) * d][columns.clone()];
            for (x, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(d)) {
                out[columns.clone()].iter_mut().zip(m).for_each(|(out, m)| *out += x[j] * m);
            }
        }
    }
    Ok(Tensor::from_vec(out, (n, d), &Device::Cpu)?)
}

/// Columns of a product that are made at a time: of a batch of 32, they fit the first cache.
const COLUMNS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::down;

    /// Images [n, 2, 4, 4] with dependent pixels, whose mean is not 0.
    fn images(n: usize, seed: u64) -> Tensor {
        let mut z = vec![0f32; n * 32];
        Key::new(seed).fill_normal(&mut z);
        let mut mixing = vec![0f32; 32 * 32];
        Key::new(99).fill_normal(&mut mixing);
        let (z, mixing) =
            (Tensor::from_vec(z, (n, 32), &Device::Cpu), Tensor::from_vec(mixing, (32, 32), &Device::Cpu));
        let x = (z.unwrap().matmul(&mixing.unwrap()).unwrap() * 0.05).unwrap();
        (x + 0.1).unwrap().reshape((n, 2, 4, 4)).unwrap()
    }

    fn largest(x: &Tensor) -> f64 {
        f64::from(x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap())
    }

    /// (mean [1, d], covariance [d, d]).
    fn moments(x: &Tensor) -> (Tensor, Tensor) {
        let x = x.flatten_from(1).unwrap();
        let mean = x.mean_keepdim(0).unwrap();
        let centred = x.broadcast_sub(&mean).unwrap();
        let products = centred.t().unwrap().contiguous().unwrap().matmul(&centred).unwrap();
        (mean, (products / x.dim(0).unwrap() as f64).unwrap())
    }

    #[test]
    fn draws_given_the_images_coarse_versions_have_the_moments_of_the_images() {
        let x = images(20_000, 1);
        for coarse in [1, 2, 3] {
            let gaussian = ConditionalGaussian::learn(&x, coarse).unwrap();
            let drawn = gaussian.sample(&down(&x, coarse).unwrap(), Key::new(2)).unwrap();
            let ((mean, covariance), (expected_mean, expected)) = (moments(&drawn), moments(&x));
            // Variances of about 0.08: five standard errors of a mean and of a covariance.
            assert!(largest(&(mean - expected_mean).unwrap()) < 0.011, "side {coarse}");
            assert!(largest(&(covariance - expected).unwrap()) < 0.008, "side {coarse}");
        }
    }

    #[test]
    fn draws_and_means_keep_the_coarse_image() {
        let x = images(500, 1);
        for coarse in [1, 2, 3, 4] {
            let gaussian = ConditionalGaussian::learn(&x, coarse).unwrap();
            let given = down(&images(50, 7), coarse).unwrap();
            let drawn = gaussian.sample(&given, Key::new(2)).unwrap();
            let mean = gaussian.mean(&given).unwrap();
            for y in [&drawn, &mean] {
                let gap = largest(&(down(y, coarse).unwrap() - &given).unwrap());
                assert!(gap < 1e-4, "side {coarse}: {gap}");
            }
            let spread = largest(&(drawn - mean).unwrap());
            assert_eq!(
                spread > 0.05,
                coarse < 4,
                "side {coarse}: nothing is open on the same grid: {spread}"
            );
        }
    }

    #[test]
    fn the_mean_is_the_linear_prediction_of_least_error() {
        let (x, unseen) = (images(5_000, 1), images(5_000, 2));
        let gaussian = ConditionalGaussian::learn(&x, 2).unwrap();
        let error = |y: &Tensor| {
            (y - &unseen).unwrap().sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap()
        };
        let coarse = down(&unseen, 2).unwrap();
        let predicted = error(&gaussian.mean(&coarse).unwrap());
        let drawn = error(&gaussian.sample(&coarse, Key::new(3)).unwrap());
        let blocks = error(&crate::up(&coarse, 4).unwrap());
        assert!(predicted < 0.9 * blocks, "{predicted} against {blocks} of blocks");
        // A draw is off by the error of the mean twice: its own and the image's.
        assert!((drawn / predicted - 2.0).abs() < 0.1, "{drawn} against {predicted}");
    }

    /// Images whose detail is alike everywhere: sums of a random pixel and its neighbours, the channels going together.
    fn textured(n: usize, seed: u64) -> Tensor {
        let mut z = vec![0f32; n * 2 * 64];
        Key::new(seed).fill_normal(&mut z);
        let z = Tensor::from_vec(z, (n, 2, 8, 8), &Device::Cpu).unwrap();
        let right = Tensor::cat(&[z.narrow(3, 1, 7).unwrap(), z.narrow(3, 0, 1).unwrap()], 3).unwrap();
        let smooth = ((z + right).unwrap() * 0.1).unwrap();
        let second = (smooth.narrow(1, 0, 1).unwrap() + smooth.narrow(1, 1, 1).unwrap()).unwrap();
        Tensor::cat(&[&smooth.narrow(1, 0, 1).unwrap(), &second], 1).unwrap()
    }

    fn stationary(x: &Tensor, coarse: usize) -> ConditionalGaussian {
        let mut learner = GaussianLearner::new(2, coarse, 8, Covariance::Stationary).unwrap();
        learner.observe(x).unwrap();
        learner.finish().unwrap()
    }

    #[test]
    fn stationary_detail_has_the_spectrum_of_images_and_keeps_the_coarse_one() {
        let (x, coarse) = (textured(4_000, 1), 2);
        let given = down(&textured(4_000, 2), coarse).unwrap();
        let y = stationary(&x, coarse).sample(&given, Key::new(3)).unwrap();
        assert!(largest(&(down(&y, coarse).unwrap() - &given).unwrap()) < 1e-4);
        // The mean products of a pixel with its right neighbour, the one below, and the other channel.
        let products = |x: &Tensor| {
            let detail = (x - Upscale::Smooth.apply(&down(x, coarse).unwrap(), 8).unwrap()).unwrap();
            let of = |dim: usize, length: usize| {
                let [a, b] = [0, 1].map(|first| detail.narrow(dim, first, length).unwrap());
                (a * b).unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap()
            };
            let square = detail.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
            [square, of(3, 7), of(2, 7), of(1, 1)]
        };
        let (found, expected) = (products(&y), products(&x));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.05 * products(&x)[0], "{found}, {expected} of images");
        }
    }

    #[test]
    fn a_stationary_law_draws_each_image_by_its_number() {
        let gaussian = stationary(&textured(100, 1), 2);
        let coarse = down(&textured(30, 2), 2).unwrap();
        let all = gaussian.sample(&coarse, Key::new(1)).unwrap();
        let later = gaussian.sample_from(&coarse.narrow(0, 20, 10).unwrap(), Key::new(1), 20).unwrap();
        assert_eq!(largest(&(all.narrow(0, 20, 10).unwrap() - later).unwrap()), 0.0);
        assert!(largest(&(all - gaussian.mean(&coarse).unwrap()).unwrap()) > 0.01);
    }

    #[test]
    fn fewer_images_than_pixels_are_enough() {
        let x = images(3, 1);
        let gaussian = ConditionalGaussian::learn(&x, 1).unwrap();
        let drawn = gaussian.sample(&down(&x, 1).unwrap(), Key::new(2)).unwrap();
        assert!(largest(&drawn) < 3.0);
        let alike = Tensor::zeros((5, 3, 4, 4), DType::F32, &Device::Cpu).unwrap();
        let gaussian = ConditionalGaussian::learn(&alike, 2).unwrap();
        let drawn = gaussian.sample(&down(&alike, 2).unwrap(), Key::new(2)).unwrap();
        assert!(largest(&drawn) < 0.01, "images that are all alike");
    }

    #[test]
    fn an_image_depends_on_its_coarse_image_the_key_and_its_number_only() {
        let x = images(100, 1);
        let gaussian = ConditionalGaussian::learn(&x, 2).unwrap();
        let coarse = down(&x, 2).unwrap();
        let sample = |n, key| {
            let y = gaussian.sample(&coarse.narrow(0, 0, n).unwrap(), Key::new(key)).unwrap();
            y.narrow(0, 0, 5).unwrap()
        };
        assert_eq!(largest(&(sample(5, 1) - sample(70, 1)).unwrap()), 0.0, "the same bits");
        assert!(largest(&(sample(5, 1) - sample(5, 2)).unwrap()) > 0.01);
    }

    #[test]
    fn images_that_do_not_fit_are_refused_with_their_numbers() {
        let gaussian = ConditionalGaussian::learn(&images(10, 1), 2).unwrap();
        let other = Tensor::zeros((1, 3, 2, 2), DType::F32, &Device::Cpu).unwrap();
        let error = gaussian.sample(&other, Key::new(0)).unwrap_err().to_string();
        assert!(error.contains("3 channels") && error.contains("2 channels"), "{error}");
    }
}
