use candle_core::{D, Tensor};
use mg_energy::{Energy, Result, ValueAndGrad};

/// An energy restricted to the box [min, max]^d: infinite as soon as one coordinate lies outside.
///
/// This is the uniform reference distribution "within a bounded range" of section 3.1. The adjusted kernels
/// reject an infinite energy, so [`Mala`](crate::Mala) and [`Hmc`](crate::Hmc) on a `Within` sample the
/// bounded law exactly, where a clamp would pile mass onto the borders. Start their chains inside: from far
/// outside few proposals ever land within.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    /// The energy inside.
    pub energy: &'a dyn Energy,
    /// Least value of a coordinate.
    pub min: f64,
    /// Greatest value of a coordinate.
    pub max: f64,
}

impl Within<'_> {
    /// `energy`, `[n]`, where all of a chain lies within the bounds, and infinity elsewhere.
    fn bound(&self, x: &Tensor, energy: &Tensor) -> Result<Tensor> {
        let below = x.affine(-1.0, self.min)?.relu()?;
        let above = x.affine(1.0, -self.max)?.relu()?;
        let excess = (below + above)?.flatten_from(1)?.sum(D::Minus1)?; // [n]
        let infinite = energy.ones_like()?.affine(f64::INFINITY, 0.0)?;
        Ok(excess.eq(0.0)?.where_cond(energy, &infinite)?)
    }
}

impl Energy for Within<'_> {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.bound(x, &self.energy.energy(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let ValueAndGrad { energy, grad } = self.energy.value_and_grad(x)?;
        Ok(ValueAndGrad { energy: self.bound(x, &energy)?, grad })
    }

    fn needs_all_chains(&self) -> bool {
        self.energy.needs_all_chains()
    }
}

impl std::fmt::Debug for Within<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Within").field("min", &self.min).field("max", &self.max).finish_non_exhaustive()
    }
}
