use candle_core::Tensor;
use mg_energy::Energy;

use crate::Result;
use crate::base::to_f64;
use crate::phase::Phase;
use crate::rows::{add_scaled, inner};

/// Ends of trajectories, one a row, that walk away from where these began.
///
/// One that walks into the past is one that walks into the future with its momentum turned round, so walking never
/// asks for the direction.
#[derive(Clone)]
pub(super) struct Walker {
    pub(super) phase: Phase,
    /// The sum of its momenta since the trajectory began, by the trapezoidal rule; the shape of x.
    pub(super) reach: Tensor,
}

impl Walker {
    /// One step of the leapfrog integrator.
    pub(super) fn step(&self, energy: &dyn Energy, step_size: f64) -> Result<Self> {
        let phase = self.phase.leapfrog(energy, step_size)?;
        let both = add_scaled(&self.phase.momentum, 1.0, &phase.momentum)?;
        Ok(Walker { phase, reach: add_scaled(&self.reach, 0.5, &both)? })
    }

    /// What `f` makes of every tensor; it keeps or chooses rows.
    pub(super) fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Walker { phase: self.phase.map(&f)?, reach: f(&self.reach)? })
    }

    /// What `f` makes of every tensor and its partner in `other`.
    pub(super) fn zip(&self, other: &Walker, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Walker { phase: self.phase.zip(&other.phase, &f)?, reach: f(&self.reach, &other.reach)? })
    }
}

/// Whether each trajectory has turned: the sum of its momenta no longer points along its first momentum, or no longer
/// along its last.
pub(super) fn turned(sum: &Tensor, first: &Tensor, last: &Tensor) -> Result<Vec<bool>> {
    let along_first = to_f64(&inner(sum, first)?)?;
    let along_last = to_f64(&inner(sum, last)?)?;
    Ok(along_first.iter().zip(along_last).map(|(&first, last)| !(first > 0.0 && last > 0.0)).collect())
}
