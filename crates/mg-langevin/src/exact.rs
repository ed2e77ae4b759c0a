use crate::{Hmc, Kernel, Mala, Nuts};

/// Kernels that leave exp(-U / temperature) invariant, and reversibly: each proposal is accepted or rejected,
/// or a place is drawn from a trajectory by its weight.
///
/// [`Ais`](crate::Ais) takes only these. Its weights are unbiased because every transition keeps its own
/// intermediate law; [`Langevin`](crate::Langevin) keeps another one, which its step size decides, and with it
/// the weights would estimate the normaliser of nothing in particular.
pub trait Exact: Kernel {
    /// The temperature of the law that is left invariant; 1 for the model itself.
    fn temperature(&self) -> f64;
}

impl Exact for Mala {
    fn temperature(&self) -> f64 {
        self.temperature
    }
}

impl Exact for Hmc {
    fn temperature(&self) -> f64 {
        self.temperature
    }
}

impl Exact for Nuts {
    fn temperature(&self) -> f64 {
        self.temperature
    }
}

impl<K: Exact + ?Sized> Exact for &K {
    fn temperature(&self) -> f64 {
        (**self).temperature()
    }
}

impl<K: Exact + ?Sized> Exact for Box<K> {
    fn temperature(&self) -> f64 {
        (**self).temperature()
    }
}
