use candle_core::Tensor;
use mg_energy::{Energy, Result, ValueAndGrad};

use crate::rows::{replace_rows, take_rows};

/// The energies of some chains of a batch.
///
/// One that needs all chains is given them: the others stand where their trajectories began.
pub(super) struct SomeChains<'a> {
    pub(super) energy: &'a dyn Energy,
    /// Where all chains began, [n, ...].
    pub(super) start: &'a Tensor,
    /// Numbers of the chains that are asked for.
    pub(super) chains: &'a [usize],
}

impl SomeChains<'_> {
    fn needs_others(&self) -> bool {
        self.energy.needs_all_chains() && self.chains.len() < self.start.dims()[0]
    }

    fn among_all(&self, x: &Tensor) -> Result<Tensor> {
        Ok(replace_rows(self.start, self.chains, x)?)
    }
}

impl Energy for SomeChains<'_> {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        match self.needs_others() {
            true => Ok(take_rows(&self.energy.energy(&self.among_all(x)?)?, self.chains)?),
            false => self.energy.energy(x),
        }
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        if !self.needs_others() {
            return self.energy.value_and_grad(x);
        }
        let all = self.energy.value_and_grad(&self.among_all(x)?)?;
        let of_some = |all: &Tensor| take_rows(all, self.chains);
        Ok(ValueAndGrad { energy: of_some(&all.energy)?, grad: of_some(&all.grad)? })
    }
}
