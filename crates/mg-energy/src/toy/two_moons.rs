use candle_core::Tensor;

use super::plane::coordinates;
use crate::energy_fn::by_autograd;
use crate::{Energy, Result, ValueAndGrad};

/// Two crescents at the left and the right of a circle of radius 2 (Rezende and Mohamed, ICML 2015, table 1, U_1):
/// U = ((r - 2) / 0.4)^2 / 2 - log(exp(-((x - 2) / 0.6)^2 / 2) + exp(-((x + 2) / 0.6)^2 / 2)).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TwoMoons;

/// Added to r^2, for r has no derivative at 0.
const ROUNDING: f64 = 1e-12;

impl TwoMoons {
    /// log of the integral of exp(-U), by quadrature.
    pub const LOG_NORMALIZER: f64 = 1.877_502;

    fn at(x: &Tensor) -> candle_core::Result<Tensor> {
        let (x, y) = coordinates(x)?;
        let r = ((x.sqr()? + y.sqr()?)? + ROUNDING)?.sqrt()?;
        let across = (r.affine(2.5, -5.0)?.sqr()? * 0.5)?;
        // log(exp(-a) + exp(-b)) = -a + log(1 + exp(a - b)) with the nearer crescent, at |x|, for a.
        let near = x.abs()?.affine(1.0 / 0.6, -2.0 / 0.6)?.sqr()?;
        let far = x.abs()?.affine(1.0 / 0.6, 2.0 / 0.6)?.sqr()?;
        let both = ((&near - far)? * 0.5)?.exp()?.affine(1.0, 1.0)?.log()?;
        (across + (near * 0.5)?)? - both
    }
}

impl Energy for TwoMoons {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(Self::at(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, Self::at)
    }
}
