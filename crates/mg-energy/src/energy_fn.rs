use candle_core::{Tensor, Var};

use crate::{Energy, Error, Result, ValueAndGrad};

/// An energy from a function of candle tensors: U of every chain of `x`, [n, ...], as `[n]`. Its gradient comes from
/// candle's autograd.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mg_energy::{Energy, energy_fn};
///
/// let quartic = energy_fn(|x| x.sqr()?.sqr()?.flatten_from(1)?.sum(1)); // U(x) = sum of x^4
/// let at = quartic.value_and_grad(&Tensor::new(&[[1.0, 2.0], [0.0, -1.0]], &Device::Cpu)?)?;
/// assert_eq!(at.energy.to_vec1::<f64>()?, [17.0, 1.0]);
/// assert_eq!(at.grad.to_vec2::<f64>()?, [[4.0, 32.0], [0.0, -4.0]]);
/// # Ok::<(), mg_energy::Error>(())
/// ```
///
/// The energy of a chain must depend on that chain alone. Errors of the function come back from the energy.
pub fn energy_fn<F>(f: F) -> EnergyFn<F>
where
    F: Fn(&Tensor) -> candle_core::Result<Tensor>,
{
    EnergyFn(f)
}

/// What [`energy_fn`] makes of a function.
#[derive(Clone, Copy)]
pub struct EnergyFn<F>(F);

impl<F> Energy for EnergyFn<F>
where
    F: Fn(&Tensor) -> candle_core::Result<Tensor>,
{
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        checked(x, (self.0)(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, &self.0)
    }
}

/// A function's values and gradients at `x`.
pub(crate) fn by_autograd(
    x: &Tensor,
    f: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
) -> Result<ValueAndGrad> {
    let x = Var::from_tensor(&x.detach())?;
    let energy = checked(&x, f(&x)?)?;
    let mut grads = energy.sum_all()?.backward()?;
    // An energy that does not depend on x is flat.
    let grad = grads.remove(&x).map_or_else(|| x.zeros_like(), Ok)?;
    Ok(ValueAndGrad { energy: energy.detach(), grad: grad.detach() })
}

/// The energies of the chains of `x`, if they are one number for each.
fn checked(x: &Tensor, energy: Tensor) -> Result<Tensor> {
    let n = x.dims().first().copied().unwrap_or(0);
    match energy.dims() {
        [found] if *found == n => Ok(energy),
        found => Err(Error::EnergyShape { found: found.to_vec(), n }),
    }
}

impl<F> std::fmt::Debug for EnergyFn<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnergyFn")
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::toy::Normal;

    #[test]
    fn autograd_agrees_with_the_gradient_by_hand() -> Result<()> {
        let normal = Normal { mean: 0.5, std_dev: 2.0 };
        let same = energy_fn(|x| x.affine(1.0, -0.5)?.sqr()?.flatten_from(1)?.sum(1)? / 8.0);
        let x = Tensor::arange(0f64, 24.0, &Device::Cpu)?.reshape((2, 3, 2, 2))?;
        let (a, b) = (normal.value_and_grad(&x)?, same.value_and_grad(&x)?);
        assert!((a.energy - b.energy)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-12);
        assert!((a.grad - b.grad)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-12);
        Ok(())
    }

    #[test]
    fn a_flat_energy_has_no_gradient() -> Result<()> {
        let flat = energy_fn(|x| Tensor::zeros(x.dim(0)?, x.dtype(), x.device()));
        let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
        assert_eq!(flat.value_and_grad(&x)?.grad.to_vec2::<f32>()?, [[0.0; 2]; 3]);
        Ok(())
    }

    #[test]
    fn other_shapes_than_one_number_for_each_chain_are_refused() {
        let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu).unwrap();
        let summed = energy_fn(|x| x.sqr()?.sum_all());
        let error = summed.energy(&x).unwrap_err().to_string();
        assert!(error.contains("[]") && error.contains("[3]"), "{error}");
        assert!(energy_fn(|x| x.sqr()).value_and_grad(&x).is_err());
        assert!(energy_fn(|x| x.reshape((7, 7))).energy(&x).is_err());
    }
}
