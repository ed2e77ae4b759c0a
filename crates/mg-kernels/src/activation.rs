use candle_core::Tensor;

use crate::Result;

/// Elementwise activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(y, 0) + slope * min(y, 0)`; slope 0 is ReLU. The derivative at 0 is `slope`.
    LeakyRelu {
        /// Slope for negative values, finite and not negative.
        slope: f64,
    },
    /// `y / (1 + exp(-y))`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `log(1 + exp(y))`.
    Softplus,
}

impl Activation {
    /// `y`, as the leaky ReLU of slope 1.
    pub const IDENTITY: Self = Self::LeakyRelu { slope: 1.0 };
    /// `max(y, 0)`.
    pub const RELU: Self = Self::LeakyRelu { slope: 0.0 };

    /// The activation of every value of `y`, by tensor operations.
    ///
    /// # Errors
    /// candle's.
    pub fn apply(self, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::LeakyRelu { .. } => Ok((y * self.derivative(y)?)?),
            Self::Silu => Ok((y * logistic(y)?)?),
            Self::Tanh => Ok(y.tanh()?),
            Self::Softplus => Ok((y.relu()? + (y.abs()?.neg()?.exp()? + 1.0)?.log()?)?),
        }
    }

    /// The activation's derivative at every value of `y`, by tensor operations.
    ///
    /// # Errors
    /// candle's.
    pub fn derivative(self, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::LeakyRelu { slope } => Ok(y.gt(0.0)?.to_dtype(y.dtype())?.affine(1.0 - slope, slope)?),
            Self::Silu => silu_derivative(y, &logistic(y)?),
            Self::Tanh => Ok(y.tanh()?.sqr()?.affine(-1.0, 1.0)?),
            Self::Softplus => logistic(y),
        }
    }

    /// The activation's second derivative at every value of `y`, by tensor operations; leaky ReLU's is 0 everywhere.
    ///
    /// # Errors
    /// candle's.
    pub fn second_derivative(self, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::LeakyRelu { .. } => Ok(y.zeros_like()?),
            Self::Silu => {
                let s = logistic(y)?;
                let inner = (y * s.affine(-2.0, 1.0)?)?.affine(1.0, 2.0)?;
                Ok((logistic_derivative(&s)? * inner)?)
            }
            Self::Tanh => {
                let tanh = y.tanh()?;
                Ok((tanh.affine(-2.0, 0.0)? * tanh.sqr()?.affine(-1.0, 1.0)?)?)
            }
            Self::Softplus => logistic_derivative(&logistic(y)?),
        }
    }

    /// [`apply`](Self::apply) and [`derivative`](Self::derivative), with what they share computed once.
    ///
    /// # Errors
    /// candle's.
    pub fn apply_and_derive(self, y: &Tensor) -> Result<(Tensor, Tensor)> {
        match self {
            Self::LeakyRelu { .. } => {
                let derivative = self.derivative(y)?;
                Ok(((y * &derivative)?, derivative))
            }
            Self::Silu => {
                let s = logistic(y)?;
                Ok(((y * &s)?, silu_derivative(y, &s)?))
            }
            Self::Tanh => {
                let tanh = y.tanh()?;
                let derivative = tanh.sqr()?.affine(-1.0, 1.0)?;
                Ok((tanh, derivative))
            }
            Self::Softplus => Ok((self.apply(y)?, self.derivative(y)?)),
        }
    }
}

/// `1 / (1 + exp(-y))`.
fn logistic(y: &Tensor) -> Result<Tensor> {
    Ok((y.neg()?.exp()? + 1.0)?.recip()?)
}

/// `s (1 - s)`, with the logistic function `s`.
fn logistic_derivative(s: &Tensor) -> Result<Tensor> {
    Ok((s * s.affine(-1.0, 1.0)?)?)
}

/// `s (1 + y (1 - s))`, with the logistic function `s` of `y`.
fn silu_derivative(y: &Tensor, s: &Tensor) -> Result<Tensor> {
    let rest = (y * s.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?;
    Ok((s * rest)?)
}
