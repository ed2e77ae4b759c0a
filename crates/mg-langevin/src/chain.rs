use candle_core::{Shape, Tensor};
use mg_energy::{Energy, ValueAndGrad};

use crate::{Error, Result};

/// The positions of n independent chains, and their energy and gradient once somebody has asked for them.
///
/// The cache is what makes l steps of plain Langevin dynamics cost exactly l gradients, and lets the adjusted
/// kernels reuse the gradient of the position they stayed at or moved to.
///
/// Invariant: a cached value was computed at this position, by the energy that the next step will be given.
#[derive(Clone, Debug)]
pub struct Chain {
    x: Tensor,
    value: Option<ValueAndGrad>,
}

impl Chain {
    /// Chains at `x`, [n, ...], one along the first dimension; nothing is evaluated yet.
    ///
    /// # Errors
    /// When `x` has fewer than two dimensions, or an empty one.
    pub fn new(x: Tensor) -> Result<Self> {
        if x.rank() < 2 || x.elem_count() == 0 {
            let expected = "[n, ...]: at least one chain of at least one coordinate".to_string();
            return Err(Error::Shape {
                what: "the position of the chains",
                got: x.shape().clone(),
                expected,
            });
        }
        Ok(Chain { x: x.detach(), value: None })
    }

    /// Chains at `x` whose energy and gradient are known.
    ///
    /// # Errors
    /// As [`Chain::new`], and when the energies are not `[n]` or the gradient has another shape than `x`.
    pub fn with_value(x: Tensor, value: ValueAndGrad) -> Result<Self> {
        let chain = Chain::new(x)?;
        check_value(&chain.x, &value)?;
        Ok(Chain { value: Some(value), ..chain })
    }

    /// The positions, [n, ...].
    pub fn x(&self) -> &Tensor {
        &self.x
    }

    /// The positions, [n, ...].
    pub fn into_x(self) -> Tensor {
        self.x
    }

    /// The energy and gradient, if they are known.
    pub fn value(&self) -> Option<&ValueAndGrad> {
        self.value.as_ref()
    }

    /// The positions with their energy and gradient, evaluated now unless they are known.
    ///
    /// # Errors
    /// When the energy fails, or returns shapes other than `[n]` and that of the positions.
    pub fn evaluate(self, energy: &dyn Energy) -> Result<(Tensor, ValueAndGrad)> {
        if let Some(value) = self.value {
            return Ok((self.x, value));
        }
        let value = energy.value_and_grad(&self.x)?;
        check_value(&self.x, &value)?;
        Ok((self.x, value))
    }
}

fn check_value(x: &Tensor, value: &ValueAndGrad) -> Result<()> {
    check_shape("the energy of the chains", &value.energy, &x.dims()[..1].into())?;
    check_shape("the gradient of the energy", &value.grad, x.shape())
}

fn check_shape(what: &'static str, tensor: &Tensor, expected: &Shape) -> Result<()> {
    if tensor.shape() == expected {
        return Ok(());
    }
    Err(Error::Shape { what, got: tensor.shape().clone(), expected: format!("{expected:?}") })
}
