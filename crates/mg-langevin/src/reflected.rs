use candle_core::Tensor;
use mg_energy::{Energy, ValueAndGrad};

use crate::{Chain, ChainKey, Exact, Kernel, Result, StepInfo, error};

/// An exact kernel on the box [min, max]^d whose walls are mirrors: it samples exp(-U) within the box.
///
/// [`Within`](crate::Within) samples the same law by rejecting what leaves the box. Of d coordinates near a wall
/// one is enough to reject all, so its step must shrink like 1 / d: no choice for images. Here the energy is
/// continued beyond the walls by reflection, U(fold(x)), the inner kernel walks there, and its outcome is folded
/// back. The continued energy does not change under the reflections, and neither do the kernels of this crate, so
/// the folded chain is a Markov chain, reversible with respect to exp(-U) on the box. At U = 0 every proposal is
/// accepted, whatever its step and d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reflected<K> {
    /// The kernel that walks on the continued energy.
    pub inner: K,
    /// Least value of a coordinate; -1 for images.
    pub min: f64,
    /// Greatest value of a coordinate, above `min`; 1 for images.
    pub max: f64,
}

impl<K: Exact> Kernel for Reflected<K> {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        let &Reflected { min, max, .. } = self;
        error::check("min", min, true, "finite")?;
        error::check("max", max, max > min, "finite and above min")?;
        let (chain, info) = self.inner.step(&Continued { energy, min, max }, chain, key)?;
        let (x, sign) = fold(chain.x(), min, max)?;
        let folded = match chain.value() {
            None => Chain::new(x)?,
            Some(ValueAndGrad { energy, grad }) => {
                Chain::with_value(x, ValueAndGrad { energy: energy.clone(), grad: (grad * sign)? })?
            }
        };
        Ok((folded, info))
    }
}

impl<K: Exact> Exact for Reflected<K> {
    fn temperature(&self) -> f64 {
        self.inner.temperature()
    }
}

/// U(fold(x)) on all of space.
struct Continued<'a> {
    energy: &'a dyn Energy,
    min: f64,
    max: f64,
}

impl Energy for Continued<'_> {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        self.energy.energy(&fold(x, self.min, self.max)?.0)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let (folded, sign) = fold(x, self.min, self.max)?;
        let ValueAndGrad { energy, grad } = self.energy.value_and_grad(&folded)?;
        Ok(ValueAndGrad { energy, grad: (grad * sign)? })
    }

    fn needs_all_chains(&self) -> bool {
        self.energy.needs_all_chains()
    }
}

/// Where mirrors at `min` and `max` send every coordinate of `x`, and the derivative of that, 1 or -1. Points of
/// the box stay where they are, bit for bit; what is not finite becomes NaN.
fn fold(x: &Tensor, min: f64, max: f64) -> candle_core::Result<(Tensor, Tensor)> {
    let period = 2.0 * (max - min);
    let turns = x.affine(1.0 / period, -min / period)?;
    let turn = (&turns - turns.floor()?)?; // 0 at min, 1/2 at max, towards 1 on the way back
    let folded = turn.minimum(&turn.affine(-1.0, 1.0)?)?.affine(period, min)?;
    let sign = turn.gt(0.5)?.to_dtype(x.dtype())?.affine(-2.0, 1.0)?;
    let inside = (x.ge(min)? * x.le(max)?)?;
    Ok((inside.where_cond(x, &folded)?, inside.where_cond(&sign.ones_like()?, &sign)?))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn folded(x: &[f64], min: f64, max: f64) -> (Vec<f64>, Vec<f64>) {
        let (x, sign) = fold(&Tensor::new(x, &Device::Cpu).unwrap(), min, max).unwrap();
        (x.to_vec1().unwrap(), sign.to_vec1().unwrap())
    }

    #[test]
    fn mirrors_send_every_point_into_the_box() {
        let (x, sign) = folded(&[0.0, 1.5, 2.0, 2.5, 3.25, 5.5, -1.25, -3.5], -1.0, 2.0);
        for (x, expected) in x.iter().zip([0.0, 1.5, 2.0, 1.5, 0.75, -0.5, -0.75, 1.5]) {
            assert!((x - expected).abs() < 1e-12, "{x} is not {expected}");
        }
        assert_eq!(sign, [1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0]);
    }

    #[test]
    fn the_box_stays_as_it_is_and_infinities_become_no_numbers() {
        let inside = [-1.0, 1.0, 0.1, 1.0 - f64::EPSILON, -0.3];
        assert_eq!(folded(&inside, -1.0, 1.0), (inside.to_vec(), vec![1.0; 5]));
        let (lost, _) = folded(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN], -1.0, 1.0);
        assert!(lost.iter().all(|x| x.is_nan()), "{lost:?}");
    }
}
