//! Targets with closed forms, for tests of samplers and estimators, and points of the plane to learn from.
//!
//! In any number of dimensions: [`Normal`], [`DoubleWell`], [`CorrelatedNormal`], [`Mixture`], [`Funnel`]. In the plane:
//! [`Banana`], [`Ring`], [`TwoMoons`]. Their normalisers are known; [`log_normalizer_on_plane`] finds that of any energy of
//! the plane. [`Points`] are the usual sets of points.

mod banana;
mod funnel;
mod mixture;
mod plane;
mod points;
mod ring;
#[cfg(test)]
mod tests;
mod two_moons;

use candle_core::{D, Tensor};

use crate::{Energy, Result, ValueAndGrad};
pub use banana::Banana;
pub use funnel::Funnel;
pub use mixture::Mixture;
pub use plane::log_normalizer_on_plane;
pub use points::Points;
pub use ring::Ring;
pub use two_moons::TwoMoons;

/// Independent normals of mean `mean` and standard deviation `std_dev` in every dimension:
/// U(x) = |x - mean|^2 / (2 std_dev^2), so log Z = (d / 2) log(2 pi std_dev^2).
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    /// Mean of every coordinate.
    pub mean: f64,
    /// Standard deviation of every coordinate.
    pub std_dev: f64,
}

impl Energy for Normal {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let variance = self.std_dev * self.std_dev;
        let centred = x.affine(1.0, -self.mean)?;
        let energy = (centred.sqr()?.flatten_from(1)?.sum(D::Minus1)? * (0.5 / variance))?;
        let grad = (centred / variance)?;
        Ok(ValueAndGrad { energy, grad })
    }
}

/// A double well in every coordinate, U(x) = sum (x^2 - 1)^2 / (4 temperature): modes at -1 and 1.
#[derive(Clone, Copy, Debug)]
pub struct DoubleWell {
    /// Height scale: the barrier at 0 is `1 / (4 temperature)` above the modes.
    pub temperature: f64,
}

impl Energy for DoubleWell {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let well = x.sqr()?.affine(1.0, -1.0)?; // x^2 - 1
        let energy = (well.sqr()?.flatten_from(1)?.sum(D::Minus1)? * (0.25 / self.temperature))?;
        let grad = ((well * x)? / self.temperature)?;
        Ok(ValueAndGrad { energy, grad })
    }
}

/// A normal law with correlated coordinates, U(x) = (x - mean)^T precision (x - mean) / 2 over the flattened
/// coordinates of a chain; its covariance is the inverse of `precision`.
#[derive(Clone, Debug)]
pub struct CorrelatedNormal {
    /// Mean, `[d]`.
    pub mean: Tensor,
    /// Inverse of the covariance, symmetric, [d, d].
    pub precision: Tensor,
}

impl Energy for CorrelatedNormal {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let centred = x.flatten_from(1)?.broadcast_sub(&self.mean)?; // [n, d]
        let pull = centred.matmul(&self.precision)?;
        let energy = ((centred * &pull)?.sum(D::Minus1)? * 0.5)?;
        Ok(ValueAndGrad { energy, grad: pull.reshape(x.shape())? })
    }
}
