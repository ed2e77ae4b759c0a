use candle_core::Tensor;

use crate::Result;

/// A function U(x) of which p(x) ~ exp(-U(x)) is the density: all that a sampler needs of a model.
///
/// `x` holds independent chains along its first dimension, [n, ...]; the energy of a chain depends on that chain
/// alone unless the model says otherwise (a net with batch statistics does).
pub trait Energy {
    /// U of every chain, shape `[n]`.
    fn energy(&self, x: &Tensor) -> Result<Tensor>;

    /// U of every chain and its gradient with respect to `x`, without any parameter gradient.
    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad>;

    /// Whether `x` must hold all chains in their order, because the energy holds something for each of them or couples
    /// them. A sampler may ask others for the energies of some chains alone.
    fn needs_all_chains(&self) -> bool {
        false
    }
}

impl<E: Energy + ?Sized> Energy for &E {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        (**self).energy(x)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        (**self).value_and_grad(x)
    }

    fn needs_all_chains(&self) -> bool {
        (**self).needs_all_chains()
    }
}

impl<E: Energy + ?Sized> Energy for Box<E> {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        (**self).energy(x)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        (**self).value_and_grad(x)
    }

    fn needs_all_chains(&self) -> bool {
        (**self).needs_all_chains()
    }
}

/// What [`Energy::value_and_grad`] returns.
#[derive(Clone, Debug)]
pub struct ValueAndGrad {
    /// U of every chain, shape `[n]`.
    pub energy: Tensor,
    /// dU/dx, the shape of `x`, detached.
    pub grad: Tensor,
}
