use candle_core::{Device, Tensor};
use mg_energy::Energy;

use crate::error::check;
use crate::{ChainKey, Kernel, Result, Trace, run};

/// Positions of several chains that were kept, step by step; [`summary`](Draws::summary) says what they are worth.
#[derive(Clone, Debug)]
pub struct Draws {
    /// [draws, chains, ...], in main memory.
    pub x: Tensor,
    /// What every step reported, those between kept draws too; empty of draws from elsewhere.
    pub trace: Trace,
}

impl Draws {
    /// Takes `n_draws` x `thin` steps from `x`, [chains, ...], and keeps every `thin`-th position. Step t draws from
    /// `key.fold(t)`.
    ///
    /// # Errors
    /// When a number is 0, or the kernel or the energy fails.
    pub fn of(
        kernel: &dyn Kernel,
        energy: &dyn Energy,
        x: &Tensor,
        (n_draws, thin): (usize, usize),
        key: impl Into<ChainKey>,
    ) -> Result<Self> {
        check("n_draws", n_draws as f64, n_draws > 0, "at least 1")?;
        check("thin", thin as f64, thin > 0, "at least 1")?;
        let mut kept = Vec::new();
        let ran = run(kernel, energy, x, n_draws.saturating_mul(thin), key, &mut |progress| {
            if (progress.step + 1).is_multiple_of(thin) {
                kept.push(progress.x.to_device(&Device::Cpu)?);
            }
            Ok(())
        })?;
        Ok(Draws { x: Tensor::stack(&kept, 0)?, trace: ran.trace })
    }

    /// All draws of all chains, [draws x chains, ...].
    ///
    /// # Errors
    /// When there are not at least two dimensions.
    pub fn pooled(&self) -> Result<Tensor> {
        Ok(self.x.flatten(0, 1)?)
    }
}
