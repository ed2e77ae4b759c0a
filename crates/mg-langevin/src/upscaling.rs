use candle_core::Tensor;
use mg_pyramid::{ConditionalGaussian, Upscale};

use crate::clamped::check_bounds;
use crate::error::check;
use crate::{ChainKey, Error, Result, rows};

/// How a sample of a coarser grid becomes images of a finer one, for chains to begin at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upscaling<'a> {
    /// How that sample is scaled up.
    pub upscale: Upscale,
    /// In place of scaling it up: images are drawn from this law of the finer grid's images given that sample.
    pub gaussian: Option<&'a ConditionalGaussian>,
    /// Deviation of the white noise added to the images. Without any, and with little in the kernel, one coarse image leads
    /// to one fine image.
    pub noise: f64,
    /// The range that images are held within, if any: noise, and scaling up by a ratio that is not whole, can leave it, and
    /// a kernel that rejects what lies outside ([`Within`](crate::Within)) would never come back.
    pub bounds: Option<(f64, f64)>,
}

impl Upscaling<'_> {
    /// The images of side `side` for `x`, [n, c, s, s] of a coarser grid: scaled up or drawn, with noise, all from `key`,
    /// and within the bounds.
    ///
    /// # Errors
    /// When `side` is less than s, the Gaussian is that of other grids, the noise is negative, or the bounds are no
    /// interval.
    pub fn draw(&self, x: &Tensor, side: usize, key: impl Into<ChainKey>) -> Result<Tensor> {
        check("upscaling.noise", self.noise, self.noise >= 0.0, "finite and not negative")?;
        let key: ChainKey = key.into();
        let mut x = match self.gaussian_of(side)? {
            Some(gaussian) => gaussian.sample_from(x, key.key.named("gaussian"), key.first as u64)?,
            None => self.upscale.apply(x, side)?,
        };
        if self.noise > 0.0 {
            x = rows::add_scaled(&x, self.noise, &key.named("start").normal_like(&x)?)?;
        }
        self.bounded(x)
    }

    /// The middle of what [`draw`](Upscaling::draw) draws from: its images without anything random. Hidden pixels begin
    /// there, because they are to become what they were and not what they might have been.
    ///
    /// # Errors
    /// As [`draw`](Upscaling::draw).
    pub fn middle(&self, x: &Tensor, side: usize) -> Result<Tensor> {
        self.bounded(match self.gaussian_of(side)? {
            Some(gaussian) => gaussian.mean(x)?,
            None => self.upscale.apply(x, side)?,
        })
    }

    fn gaussian_of(&self, side: usize) -> Result<Option<&ConditionalGaussian>> {
        match self.gaussian {
            Some(gaussian) if gaussian.sides().1 != side => {
                Err(Error::GaussianSide { side, gaussian: gaussian.sides().1 })
            }
            gaussian => Ok(gaussian),
        }
    }

    fn bounded(&self, x: Tensor) -> Result<Tensor> {
        match self.bounds {
            Some((min, max)) => {
                check_bounds(min, max)?;
                rows::clamp(&x, min, max)
            }
            None => Ok(x),
        }
    }
}
