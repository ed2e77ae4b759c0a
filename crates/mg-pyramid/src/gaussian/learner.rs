use candle_core::{DType, Device, Tensor};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::spectrum::{Spectrum, beyond, cosine_transform};
use super::{ConditionalGaussian, Covariance, Law};
use crate::scale::image_dims;
use crate::{Error, Result, down};

/// Most numbers per image, channels side^2, of a [`ConditionalGaussian`]: its covariance holds their square.
pub const MAX_GAUSSIAN: usize = 4096;

/// Share of the mean variance that is added to every variance, so that pixels which never differ do no harm.
const RIDGE: f64 = 1e-6;

/// Learns a [`ConditionalGaussian`] batch by batch, in constant memory: sums of numbers and of their products, in f64.
#[derive(Clone, Debug)]
pub struct GaussianLearner {
    channels: usize,
    coarse: usize,
    side: usize,
    n_images: u64,
    covariance: Covariance,
    /// Of pixels, or of detail where its spectrum is learned, [1, d].
    sum: Tensor,
    /// Of all pairs of pixels, [d, d], or of the channels at every frequency, [channels, channels, side^2].
    products: Tensor,
}

impl GaussianLearner {
    /// A learner that has seen nothing, for images of `channels` channels and side `side` given their versions of side
    /// `coarse`.
    ///
    /// # Errors
    /// When `coarse` is 0 or above `side`, or an image has no numbers, or more than [`MAX_GAUSSIAN`] for all pairs.
    pub fn new(channels: usize, coarse: usize, side: usize, covariance: Covariance) -> Result<Self> {
        let d = channels.saturating_mul(side).saturating_mul(side);
        if coarse == 0 || coarse > side {
            return Err(Error::Down { from: side, to: coarse });
        }
        if d == 0 || (covariance == Covariance::Full && d > MAX_GAUSSIAN) {
            return Err(Error::GaussianSize { channels, side, numbers: d, most: MAX_GAUSSIAN });
        }
        let pairs = match covariance {
            Covariance::Full => vec![d, d],
            Covariance::Stationary => vec![channels, channels, side * side],
        };
        let sum = Tensor::zeros((1, d), DType::F64, &Device::Cpu)?;
        let products = Tensor::zeros(pairs, DType::F64, &Device::Cpu)?;
        Ok(GaussianLearner { channels, coarse, side, n_images: 0, covariance, sum, products })
    }

    /// The sides of the coarse images and of those learned from.
    pub fn sides(&self) -> (usize, usize) {
        (self.coarse, self.side)
    }

    /// Learns from a batch x [n, c, side, side]. A batch that is refused changes nothing.
    ///
    /// # Errors
    /// When x has other channels or another side, or holds a number that is not finite.
    pub fn observe(&mut self, x: &Tensor) -> Result<()> {
        let (n, channels, side) = image_dims(x)?;
        if (channels, side) != (self.channels, self.side) {
            let (given, needed) = ((channels, side), (self.channels, self.side));
            return Err(Error::GaussianImages { given, needed });
        }
        let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let x = if self.covariance == Covariance::Full { x } else { beyond(&x, self.coarse)? };
        let rows = x.flatten_from(1)?.contiguous()?;
        let sum = rows.sum_keepdim(0)?;
        if !sum.sum_all()?.to_scalar::<f64>()?.is_finite() {
            return Err(Error::GaussianNotFinite);
        }
        let products = match self.covariance {
            Covariance::Full => rows.t()?.contiguous()?.matmul(&rows)?,
            Covariance::Stationary => pairs(&cosine_transform(&x)?)?,
        };
        self.products = (&self.products + products)?;
        self.sum = (&self.sum + sum)?;
        self.n_images += n as u64;
        Ok(())
    }

    /// The law of everything observed.
    ///
    /// # Errors
    /// When nothing was observed.
    pub fn finish(self) -> Result<ConditionalGaussian> {
        if self.n_images == 0 {
            return Err(Error::NothingLearned);
        }
        let mean = (&self.sum / self.n_images as f64)?; // [1, d]
        let products = (&self.products / self.n_images as f64)?;
        let law = match self.covariance {
            Covariance::Full => self.full(&mean, &products)?,
            Covariance::Stationary => {
                let shape = (1, self.channels, self.side, self.side);
                let covariances = (products - pairs(&cosine_transform(&mean.reshape(shape)?)?)?)?;
                let spectrum = Spectrum::of_covariances(&covariances, self.side)?;
                Law::Stationary { mean: mean.to_dtype(DType::F32)?, spectrum }
            }
        };
        let GaussianLearner { channels, coarse, side, n_images, .. } = self;
        Ok(ConditionalGaussian { channels, coarse, side, n_images, law })
    }

    /// The law of all pairs, from means of numbers and of their products.
    fn full(&self, mean: &Tensor, products: &Tensor) -> Result<Law> {
        let d = mean.dim(1)?;
        let covariance = (products - mean.t()?.matmul(mean)?)?;
        let eye = Tensor::eye(d, DType::F64, &Device::Cpu)?;
        let variances = covariance.mul(&eye)?.sum_all()?.to_scalar::<f64>()?;
        let ridge = RIDGE * (variances / d as f64).max(RIDGE);
        let covariance = (covariance + (eye * ridge)?)?;
        let shared = self.down(&covariance)?.t()?.contiguous()?; // [coarse, d], the covariance of coarse and fine
        let of_coarse = self.down(&shared)?; // [coarse, coarse]
        let gain = solve(&of_coarse, &shared)?; // [coarse, d]
        let upper = upper_factor(&covariance)?; // [d, d], its rows images
        let factor = (&upper - self.down(&upper)?.matmul(&gain)?)?;
        let mean = (mean - self.down(mean)?.matmul(&gain)?)?;
        let f32 = |x: Tensor| x.to_dtype(DType::F32);
        Ok(Law::Full { mean: f32(mean)?, factor: f32(factor)?, gain: f32(gain)? })
    }

    /// Every row of x, [k, d], as an image on the coarse grid, [k, channels coarse^2].
    fn down(&self, x: &Tensor) -> Result<Tensor> {
        let images = x.reshape((x.dim(0)?, self.channels, self.side, self.side))?;
        Ok(down(&images, self.coarse)?.flatten_from(1)?.contiguous()?)
    }
}

/// The sums over images of the products of all pairs of channels, [n, c, f] -> [c, c, f].
fn pairs(x: &Tensor) -> Result<Tensor> {
    Ok(x.unsqueeze(1)?.broadcast_mul(&x.unsqueeze(2)?)?.sum(0)?)
}

fn matrix(x: &Tensor) -> Result<Mat<f64>> {
    let (rows, columns) = x.dims2()?;
    let values = x.flatten_all()?.to_vec1::<f64>()?;
    Ok(Mat::from_fn(rows, columns, |i, j| values[i * columns + j]))
}

fn tensor(x: &Mat<f64>) -> Result<Tensor> {
    let values = (0..x.nrows()).flat_map(|i| (0..x.ncols()).map(move |j| x[(i, j)]));
    Ok(Tensor::from_iter(values, &Device::Cpu)?.reshape((x.nrows(), x.ncols()))?)
}

/// A^-1 B of a positive definite A.
fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let factored = matrix(a)?.llt(Side::Lower).map_err(|_| Error::GaussianNotFinite)?;
    tensor(&factored.solve(matrix(b)?))
}

/// U with U^T U = A, of a positive definite A.
fn upper_factor(a: &Tensor) -> Result<Tensor> {
    let factored = matrix(a)?.llt(Side::Lower).map_err(|_| Error::GaussianNotFinite)?;
    tensor(&factored.L().transpose().to_owned())
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    fn noise(n: usize, seed: u64) -> Tensor {
        let mut values = vec![0f32; n * 12];
        Key::new(seed).fill_normal(&mut values);
        Tensor::from_vec(values, (n, 3, 2, 2), &Device::Cpu).unwrap()
    }

    #[test]
    fn batches_do_not_matter() {
        let x = noise(100, 1);
        let whole = ConditionalGaussian::learn(&x, 1).unwrap();
        let mut learner = GaussianLearner::new(3, 1, 2, Covariance::Full).unwrap();
        for first in (0..100).step_by(30) {
            learner.observe(&x.narrow(0, first, 30.min(100 - first)).unwrap()).unwrap();
        }
        let parts = learner.finish().unwrap();
        let coarse = down(&x, 1).unwrap();
        let gap = (whole.sample(&coarse, Key::new(3)).unwrap() - parts.sample(&coarse, Key::new(3)).unwrap())
            .unwrap();
        assert!(gap.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-5);
        assert_eq!((parts.n_images(), parts.channels(), parts.sides()), (100, 3, (1, 2)));
    }

    #[test]
    fn what_cannot_be_learned_is_refused_with_its_numbers() {
        let error = GaussianLearner::new(3, 16, 64, Covariance::Full).unwrap_err().to_string();
        assert!(error.contains("12288") && error.contains("4096"), "{error}");
        assert!(GaussianLearner::new(3, 5, 4, Covariance::Full).is_err());
        assert!(GaussianLearner::new(3, 0, 4, Covariance::Stationary).is_err());
        let mut learner = GaussianLearner::new(3, 1, 2, Covariance::Full).unwrap();
        assert!(learner.clone().finish().is_err());
        learner.observe(&noise(5, 1)).unwrap();
        let error =
            learner.observe(&Tensor::zeros((1, 3, 4, 4), DType::F32, &Device::Cpu).unwrap()).unwrap_err();
        assert!(error.to_string().contains("side 4"), "{error}");
        let broken = (noise(5, 1) / 0.0).unwrap();
        assert!(matches!(learner.observe(&broken), Err(Error::GaussianNotFinite)));
        assert_eq!(learner.finish().unwrap().n_images(), 5);
    }
}
