use candle_core::{D, Tensor};

use crate::Result;

/// The reference distribution p0 of p(x) ~ exp(f(x)) p0(x) (equation 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reference {
    /// Uniform on the range that the sampler keeps to: no term in the energy.
    Uniform,
    /// White noise: |x|^2 / (2 sigma^2) in the energy.
    Gaussian {
        /// Standard deviation of a pixel, images in [-1, 1]; the authors' is 50 grey levels, 50 / 127.5.
        sigma: f64,
    },
}

impl Reference {
    /// -log p0 of every image up to a constant, `[n]`.
    pub fn energy(self, x: &Tensor) -> Result<Tensor> {
        let squares = x.sqr()?.flatten_from(1)?.sum(D::Minus1)?;
        Ok(match self {
            Reference::Uniform => squares.zeros_like()?,
            Reference::Gaussian { sigma } => (squares * (0.5 / (sigma * sigma)))?,
        })
    }

    /// Gradient of [`energy`](Reference::energy), the shape of `x`.
    pub fn grad(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Reference::Uniform => x.zeros_like()?,
            Reference::Gaussian { sigma } => (x / (sigma * sigma))?,
        })
    }
}
