use mg_energy::Energy;

use crate::{Chain, ChainKey, Result, StepInfo, rows};

/// A Markov transition: one step of n independent chains towards exp(-U(x) / temperature).
///
/// State in, state out: a kernel holds numbers, never progress, so one kernel serves any number of chains.
pub trait Kernel {
    /// One step. All its randomness comes from `key`; the same key, chain and energy give the same bits on
    /// any number of threads.
    ///
    /// # Errors
    /// When a field of the kernel is out of range, or the energy fails. A non-finite energy is no error: the
    /// adjusted kernels reject it and the unadjusted ones report it through [`StepInfo`].
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)>;
}

/// Kernels without an accept-reject step, whose law is biased by their step size anyway.
///
/// Only these may be [`Clamped`](crate::Clamped): moving the outcome of an accept-reject step would silently
/// undo what that step is for. Give [`Mala`](crate::Mala) and [`Hmc`](crate::Hmc) bounds by
/// [`Within`](crate::Within).
pub trait Unadjusted: Kernel {
    /// One [`step`](Kernel::step) whose outcome is held within `bounds`, (min, max), coordinate by coordinate.
    ///
    /// # Errors
    /// As [`step`](Kernel::step).
    fn step_within(
        &self,
        energy: &dyn Energy,
        chain: Chain,
        bounds: Option<(f64, f64)>,
        key: ChainKey,
    ) -> Result<(Chain, StepInfo)> {
        let (chain, info) = self.step(energy, chain, key)?;
        match bounds {
            Some((min, max)) => Ok((Chain::new(rows::clamp(chain.x(), min, max)?)?, info)),
            None => Ok((chain, info)),
        }
    }
}

impl<K: Kernel + ?Sized> Kernel for &K {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        (**self).step(energy, chain, key)
    }
}

impl<K: Kernel + ?Sized> Kernel for Box<K> {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        (**self).step(energy, chain, key)
    }
}

impl<K: Unadjusted + ?Sized> Unadjusted for &K {
    fn step_within(
        &self,
        energy: &dyn Energy,
        chain: Chain,
        bounds: Option<(f64, f64)>,
        key: ChainKey,
    ) -> Result<(Chain, StepInfo)> {
        (**self).step_within(energy, chain, bounds, key)
    }
}

impl<K: Unadjusted + ?Sized> Unadjusted for Box<K> {
    fn step_within(
        &self,
        energy: &dyn Energy,
        chain: Chain,
        bounds: Option<(f64, f64)>,
        key: ChainKey,
    ) -> Result<(Chain, StepInfo)> {
        (**self).step_within(energy, chain, bounds, key)
    }
}
