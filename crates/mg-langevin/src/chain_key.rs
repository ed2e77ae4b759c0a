use candle_core::{DType, Device, Tensor};
use mg_random::Key;

use crate::Result;

/// The name of the randomness of many chains: a key, and which of all chains these are.
///
/// A chain's noise depends on the key and on its number, not on the chains beside it. So a part of a batch, which begins
/// with chain number `first`, draws what the whole batch would draw there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainKey {
    /// What the numbers are for.
    pub key: Key,
    /// Number of the first of these chains among all chains of the batch.
    pub first: usize,
}

impl From<Key> for ChainKey {
    /// All chains of a batch.
    fn from(key: Key) -> Self {
        ChainKey { key, first: 0 }
    }
}

impl ChainKey {
    /// The child with number `index`, of the same chains: a step, a grid.
    pub fn fold(self, index: u64) -> Self {
        ChainKey { key: self.key.fold(index), ..self }
    }

    /// The child with name `name`, of the same chains.
    pub fn named(self, name: &str) -> Self {
        ChainKey { key: self.key.named(name), ..self }
    }

    /// Standard normal noise of the shape, type and device of `x`, [n, ...], a row for each chain.
    ///
    /// On the CPU an element depends on the key, the number of its chain and its place in it alone: the same bits on any
    /// number of threads and in batches of any size. Elsewhere the device's generator is seeded with the key and draws the
    /// chains before these too; runs repeat on one device but differ between kinds of devices. Do not draw from one device
    /// on several threads at once.
    ///
    /// # Errors
    /// When the device cannot draw or the type holds no fractions.
    pub fn normal_like(self, x: &Tensor) -> Result<Tensor> {
        if !x.device().is_cpu() {
            return self.normal_on_device(x);
        }
        let noise = Tensor::from_vec(self.normals(x), x.shape(), x.device())?;
        Ok(noise.to_dtype(x.dtype())?)
    }

    fn normal_on_device(self, x: &Tensor) -> Result<Tensor> {
        let n = x.dim(0)?;
        let mut shape = x.dims().to_vec();
        shape[0] += self.first;
        let all = Tensor::zeros(shape, x.dtype(), x.device())?;
        x.device().set_seed(self.key.bits())?;
        #[allow(clippy::disallowed_methods)] // seeded from the key on the line above
        let noise = all.randn_like(0.0, 1.0)?;
        Ok(noise.narrow(0, self.first, n)?)
    }

    /// As many standard normal numbers as `x`, [n, ...], has elements.
    pub(crate) fn normals(self, x: &Tensor) -> Vec<f32> {
        let mut noise = vec![0f32; x.elem_count()];
        self.key.fill_normal_from(self.first_element(x), &mut noise);
        noise
    }

    /// The logarithm of a uniform number for each chain, `[n]`, of the type and device of `like`, `[n]`.
    pub(crate) fn log_uniform(self, like: &Tensor) -> Result<Tensor> {
        let mut uniform = vec![0f32; like.elem_count()];
        self.key.fill_uniform_from(self.first as u64, &mut uniform);
        let uniform = Tensor::from_vec(uniform, like.shape(), &Device::Cpu)?;
        Ok(uniform.log()?.to_dtype(like.dtype())?.to_device(like.device())?)
    }

    /// Elements of the chains before these.
    fn first_element(self, x: &Tensor) -> u64 {
        let rows = x.dims().first().copied().unwrap_or(1).max(1);
        (self.first * (x.elem_count() / rows)) as u64
    }
}

/// True where the fused loops of this crate apply: f32 and f64 in main memory.
pub(crate) fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}
