use crate::{Hmc, Kernel, Mala, Nuts};

/// Kernels whose step size can be adapted to a target, by [`Warmup`](crate::Warmup).
///
/// Only kernels without places of their own: bounds and observed pixels would have to be scaled with the coordinates.
/// Bound the energy with [`Within`](crate::Within), and put [`Observed`](crate::Observed) or
/// [`Reflected`](crate::Reflected) around the kernel that a warm-up returns.
pub trait Adaptable: Kernel + Clone {
    /// The step size, positive.
    fn step_size(&self) -> f64;

    /// The same kernel with another step size.
    #[must_use]
    fn with_step_size(&self, step_size: f64) -> Self;

    /// The mean acceptance probability at which a kernel of this kind is most efficient.
    fn target_acceptance(&self) -> f64;
}

impl Adaptable for Mala {
    fn step_size(&self) -> f64 {
        self.step_size
    }

    fn with_step_size(&self, step_size: f64) -> Self {
        Mala { step_size, ..*self }
    }

    /// 0.574 (Roberts and Rosenthal, JRSS B 60, 1998).
    fn target_acceptance(&self) -> f64 {
        0.574
    }
}

impl Adaptable for Hmc {
    fn step_size(&self) -> f64 {
        self.step_size
    }

    fn with_step_size(&self, step_size: f64) -> Self {
        Hmc { step_size, ..*self }
    }

    /// 0.65 (Beskos et al., Bernoulli 19, 2013).
    fn target_acceptance(&self) -> f64 {
        0.65
    }
}

impl Adaptable for Nuts {
    fn step_size(&self) -> f64 {
        self.step_size
    }

    fn with_step_size(&self, step_size: f64) -> Self {
        Nuts { step_size, ..*self }
    }

    /// 0.8, as in Stan: the mean over a trajectory, not at its end.
    fn target_acceptance(&self) -> f64 {
        0.8
    }
}
