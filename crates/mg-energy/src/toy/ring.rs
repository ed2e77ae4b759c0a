use candle_core::Tensor;

use super::plane::coordinates;
use crate::energy_fn::by_autograd;
use crate::{Energy, Result, ValueAndGrad};

/// A ring in the plane, U = (r - radius)^2 / (2 width^2) at the distance r from 0.
///
/// Z = 2 pi (width^2 exp(-radius^2 / (2 width^2)) + radius width sqrt(2 pi) P(radius / width)) with the normal distribution
/// function P, which is 1 for rings that are narrow: log Z = log(2 pi radius width sqrt(2 pi)) then, to 10^-6 at a radius of 5
/// widths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// Distance of the ridge from 0; positive.
    pub radius: f64,
    /// Standard deviation across the ridge; positive.
    pub width: f64,
}

impl Default for Ring {
    /// Radius 2, width 0.2.
    fn default() -> Self {
        Ring { radius: 2.0, width: 0.2 }
    }
}

/// Added to r^2, for r has no derivative at 0.
const ROUNDING: f64 = 1e-12;

impl Ring {
    /// log of the integral of exp(-U), of a ring whose radius is at least 5 widths.
    pub fn log_normalizer(&self) -> f64 {
        (std::f64::consts::TAU.powf(1.5) * self.radius * self.width).ln()
    }

    fn at(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (x, y) = coordinates(x)?;
        let r = ((x.sqr()? + y.sqr()?)? + ROUNDING)?.sqrt()?;
        r.affine(1.0 / self.width, -self.radius / self.width)?.sqr()? * 0.5
    }
}

impl Energy for Ring {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.at(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, |x| self.at(x))
    }
}
