use candle_core::{DType, Tensor};
use mg_random::Key;

use crate::Result;

/// Standard normal noise of the shape, type and device of `x`.
///
/// On the CPU element i depends on the key and i alone: the same bits on any number of threads, and the first
/// chains of a batch get the same noise whatever the batch size. Elsewhere the device's generator is seeded
/// with the key and draws the values, so runs repeat on one device but differ between kinds of devices; do
/// not draw from one device on several threads at once.
///
/// # Errors
/// When the device cannot draw or the type holds no fractions.
pub fn normal_like(key: Key, x: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        x.device().set_seed(key.bits())?;
        #[allow(clippy::disallowed_methods)] // seeded from the key on the line above
        return Ok(x.randn_like(0.0, 1.0)?);
    }
    let noise = Tensor::from_vec(normals(key, x.elem_count()), x.shape(), x.device())?;
    Ok(noise.to_dtype(x.dtype())?)
}

/// `len` standard normal numbers.
pub(crate) fn normals(key: Key, len: usize) -> Vec<f32> {
    let mut noise = vec![0f32; len];
    key.fill_normal(&mut noise);
    noise
}

/// The logarithm of a uniform number per chain, `[n]`, of the type and device of `like`.
pub(crate) fn log_uniform(key: Key, like: &Tensor) -> Result<Tensor> {
    let mut uniform = vec![0f32; like.elem_count()];
    key.fill_uniform(&mut uniform);
    let uniform = Tensor::from_vec(uniform, like.shape(), &candle_core::Device::Cpu)?;
    Ok(uniform.log()?.to_dtype(like.dtype())?.to_device(like.device())?)
}

/// True where the fused loops of this crate apply: f32 and f64 in main memory.
pub(crate) fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}
