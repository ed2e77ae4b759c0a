//! Energies made of energies: sums, and the same at another temperature.

use candle_core::Tensor;

use crate::{Energy, Result, ValueAndGrad};

/// U(x) = U_a(x) + U_b(x): the product of both densities.
#[derive(Clone, Copy, Debug)]
pub struct Sum<A, B> {
    /// U_a.
    pub a: A,
    /// U_b.
    pub b: B,
}

impl<A: Energy, B: Energy> Energy for Sum<A, B> {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok((self.a.energy(x)? + self.b.energy(x)?)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let (a, b) = (self.a.value_and_grad(x)?, self.b.value_and_grad(x)?);
        Ok(ValueAndGrad { energy: (a.energy + b.energy)?, grad: (a.grad + b.grad)? })
    }

    fn needs_all_chains(&self) -> bool {
        self.a.needs_all_chains() || self.b.needs_all_chains()
    }
}

/// U(x) / temperature: the density to the power of 1 / temperature, flatter above 1 and steeper below. As a term of a [`Sum`],
/// U with the weight 1 / temperature.
#[derive(Clone, Copy, Debug)]
pub struct Tempered<E> {
    /// U.
    pub energy: E,
    /// The temperature; not 0.
    pub temperature: f64,
}

impl<E: Energy> Energy for Tempered<E> {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok((self.energy.energy(x)? / self.temperature)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let ValueAndGrad { energy, grad } = self.energy.value_and_grad(x)?;
        Ok(ValueAndGrad { energy: (energy / self.temperature)?, grad: (grad / self.temperature)? })
    }

    fn needs_all_chains(&self) -> bool {
        self.energy.needs_all_chains()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::toy::Normal;

    fn numbers(energy: &dyn Energy) -> Result<Vec<f64>> {
        let x = Tensor::new(&[[0.3, -1.2], [2.0, 0.7]], &Device::Cpu)?;
        let at = energy.value_and_grad(&x)?;
        assert_eq!(at.energy.to_vec1::<f64>()?, energy.energy(&x)?.to_vec1::<f64>()?);
        Ok([at.energy.to_vec1()?, at.grad.flatten_all()?.to_vec1()?].concat())
    }

    #[track_caller]
    fn assert_same(a: &dyn Energy, b: &dyn Energy) -> Result<()> {
        for (a, b) in numbers(a)?.iter().zip(numbers(b)?) {
            assert!((a - b).abs() < 1e-12, "{a} against {b}");
        }
        Ok(())
    }

    #[test]
    fn a_normal_law_at_a_temperature_is_a_wider_one() -> Result<()> {
        let narrow = Normal { mean: 0.4, std_dev: 0.5 };
        assert_same(&Tempered { energy: narrow, temperature: 4.0 }, &Normal { std_dev: 1.0, ..narrow })
    }

    #[test]
    fn equal_normal_laws_multiply_to_half_the_variance() -> Result<()> {
        let one = Normal { mean: -0.2, std_dev: 1.0 };
        let half = Normal { std_dev: 0.5f64.sqrt(), ..one };
        assert_same(&Sum { a: one, b: &one as &dyn Energy }, &half)?;
        let tempered = Tempered { energy: one, temperature: 2.0 };
        assert_same(&Sum { a: tempered, b: tempered }, &Box::new(one))
    }
}
