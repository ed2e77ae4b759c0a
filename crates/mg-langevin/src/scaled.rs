use candle_core::Tensor;
use mg_energy::{Energy, ValueAndGrad};

use crate::{Adaptable, Chain, ChainKey, Error, Exact, Kernel, Result, StepInfo};

/// A kernel that walks on x / scale, coordinate by coordinate: with the deviations of the target as scale, all
/// directions are equally long to it. For Hamiltonian kernels it is the mass 1 / scale^2 (Neal, "MCMC using
/// Hamiltonian dynamics", 2011, section 4.1). Exact where the inner kernel is.
///
/// Coordinates that the inner kernel does not move keep their bits.
#[derive(Clone, Debug)]
pub struct Scaled<K> {
    inner: K,
    /// Invariant: finite and positive, [1, ...]; the same in all directions when `None`.
    scale: Option<Tensor>,
}

impl<K> Scaled<K> {
    /// `inner` on coordinates divided by `scale`, [...] or [1, ...] where chains are [n, ...].
    ///
    /// # Errors
    /// When a number of the scale is not finite and positive.
    pub fn new(inner: K, scale: &Tensor) -> Result<Self> {
        let usable = (scale.gt(0.0)? * scale.lt(f64::INFINITY)?)?;
        if scale.elem_count() == 0 || usable.flatten_all()?.min(0)?.to_scalar::<u8>()? == 0 {
            return Err(Error::Scale { shape: scale.shape().clone() });
        }
        let scale = if scale.dims().first() == Some(&1) { scale.clone() } else { scale.unsqueeze(0)? };
        Ok(Scaled { inner, scale: Some(scale.detach()) })
    }

    /// `inner` as it is.
    pub fn evenly(inner: K) -> Self {
        Scaled { inner, scale: None }
    }

    /// The kernel that walks on the scaled coordinates.
    pub fn inner(&self) -> &K {
        &self.inner
    }

    /// The scale of every coordinate, [1, ...]; `None` when it is the same in all directions.
    pub fn scale(&self) -> Option<&Tensor> {
        self.scale.as_ref()
    }
}

impl<K: Kernel> Kernel for Scaled<K> {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        let Some(scale) = &self.scale else { return self.inner.step(energy, chain, key) };
        let scale = scale.to_dtype(chain.x().dtype())?.to_device(chain.x().device())?;
        if scale.dims()[1..] != chain.x().dims()[1..] {
            let expected = format!("{:?} in each chain, the shape of the scale", &scale.dims()[1..]);
            let what = "the position of the chains";
            return Err(Error::Shape { what, got: chain.x().shape().clone(), expected });
        }
        let x = chain.x().clone();
        let there = x.broadcast_div(&scale)?;
        let begun = match chain.value() {
            None => Chain::new(there.clone())?,
            Some(ValueAndGrad { energy, grad }) => {
                let (energy, grad) = (energy.clone(), grad.broadcast_mul(&scale)?);
                Chain::with_value(there.clone(), ValueAndGrad { energy, grad })?
            }
        };
        let (moved, info) = self.inner.step(&InUnits { energy, scale: &scale }, begun, key)?;
        let unmoved = moved.x().eq(&there)?;
        let back = unmoved.where_cond(&x, &moved.x().broadcast_mul(&scale)?)?;
        let chain = match moved.value() {
            None => Chain::new(back)?,
            Some(ValueAndGrad { energy, grad }) => {
                let (energy, grad) = (energy.clone(), grad.broadcast_div(&scale)?);
                Chain::with_value(back, ValueAndGrad { energy, grad })?
            }
        };
        Ok((chain, info))
    }
}

impl<K: Exact> Exact for Scaled<K> {
    fn temperature(&self) -> f64 {
        self.inner.temperature()
    }
}

impl<K: Adaptable> Adaptable for Scaled<K> {
    fn step_size(&self) -> f64 {
        self.inner.step_size()
    }

    fn with_step_size(&self, step_size: f64) -> Self {
        Scaled { inner: self.inner.with_step_size(step_size), scale: self.scale.clone() }
    }

    fn target_acceptance(&self) -> f64 {
        self.inner.target_acceptance()
    }
}

/// U(scale y) as a function of y.
struct InUnits<'a> {
    energy: &'a dyn Energy,
    scale: &'a Tensor,
}

impl Energy for InUnits<'_> {
    fn energy(&self, y: &Tensor) -> mg_energy::Result<Tensor> {
        self.energy.energy(&y.broadcast_mul(self.scale)?)
    }

    fn value_and_grad(&self, y: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let ValueAndGrad { energy, grad } = self.energy.value_and_grad(&y.broadcast_mul(self.scale)?)?;
        Ok(ValueAndGrad { energy, grad: grad.broadcast_mul(self.scale)? })
    }

    fn needs_all_chains(&self) -> bool {
        self.energy.needs_all_chains()
    }
}
