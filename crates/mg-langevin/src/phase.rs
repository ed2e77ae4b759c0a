use candle_core::Tensor;
use mg_energy::{Energy, ValueAndGrad};

use crate::rows::{add_scaled, inner};
use crate::{Chain, Result};

/// A point of a Hamiltonian trajectory for each of n chains.
#[derive(Clone)]
pub(crate) struct Phase {
    /// [n, ...].
    pub(crate) x: Tensor,
    /// Energy and gradient at `x`.
    pub(crate) value: ValueAndGrad,
    /// The shape of `x`.
    pub(crate) momentum: Tensor,
}

impl Phase {
    /// One step of the leapfrog integrator: half a kick, a drift, half a kick.
    pub(crate) fn leapfrog(&self, energy: &dyn Energy, step_size: f64) -> Result<Self> {
        let momentum = add_scaled(&self.momentum, -0.5 * step_size, &self.value.grad)?;
        let drifted = add_scaled(&self.x, step_size, &momentum)?;
        let (x, value) = Chain::new(drifted)?.evaluate(energy)?;
        let momentum = add_scaled(&momentum, -0.5 * step_size, &value.grad)?;
        Ok(Phase { x, value, momentum })
    }

    /// What `f` makes of every tensor; it keeps or chooses rows.
    pub(crate) fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let value = ValueAndGrad { energy: f(&self.value.energy)?, grad: f(&self.value.grad)? };
        Ok(Phase { x: f(&self.x)?, value, momentum: f(&self.momentum)? })
    }

    /// What `f` makes of every tensor and its partner in `other`.
    pub(crate) fn zip(&self, other: &Phase, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Self> {
        let energy = f(&self.value.energy, &other.value.energy)?;
        let grad = f(&self.value.grad, &other.value.grad)?;
        let value = ValueAndGrad { energy, grad };
        Ok(Phase { x: f(&self.x, &other.x)?, value, momentum: f(&self.momentum, &other.momentum)? })
    }
}

/// H(a) - H(b), `[n]`. The difference of the kinetic energies is taken as (p_a - p_b).(p_a + p_b) / 2, since
/// their sizes grow with the dimension and f32 would lose it.
pub(crate) fn hamiltonian_change(a: &Phase, b: &Phase) -> Result<Tensor> {
    let difference = add_scaled(&a.momentum, -1.0, &b.momentum)?;
    let sum = add_scaled(&a.momentum, 1.0, &b.momentum)?;
    Ok(((&a.value.energy - &b.value.energy)? + (inner(&difference, &sum)? * 0.5)?)?)
}
