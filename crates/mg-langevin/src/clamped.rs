use mg_energy::Energy;

use crate::{Chain, ChainKey, Error, Kernel, Result, StepInfo, Unadjusted, error};

/// A kernel whose chains are held within [min, max] after every step, as released code of this field does.
///
/// For kernels without an accept-reject step only ([`Unadjusted`]); bound the others with
/// [`Within`](crate::Within). Where pixels must keep observed values that may lie outside, put the clamp
/// inside: `Observed` of `Clamped`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamped<K> {
    /// The kernel whose outcome is clamped.
    pub inner: K,
    /// Least value of a coordinate; -1 for images.
    pub min: f64,
    /// Greatest value of a coordinate, not below `min`; 1 for images.
    pub max: f64,
}

impl<K: Unadjusted> Kernel for Clamped<K> {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        check_bounds(self.min, self.max)?;
        self.inner.step_within(energy, chain, Some((self.min, self.max)), key)
    }
}

impl<K: Unadjusted> Unadjusted for Clamped<K> {}

pub(crate) fn check_bounds(min: f64, max: f64) -> Result<(), Error> {
    error::check("min", min, true, "finite")?;
    error::check("max", max, max >= min, "finite and not below min")
}
