//! Tensors as plain numbers on the host.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// All values in row-major order, as f32.
pub(crate) fn values(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// (n, c, s) of a batch [n, c, s, s].
pub(crate) fn image_dims(x: &Tensor) -> Result<(usize, usize, usize)> {
    match *x.dims() {
        [n, c, h, w] if h == w && n > 0 && c > 0 && h > 0 => Ok((n, c, h)),
        _ => Err(Error::NotImages { shape: x.dims().to_vec() }),
    }
}

/// Refuses a tensor of another shape.
pub(crate) fn check_shape(what: &'static str, x: &Tensor, expected: &[usize]) -> Result<()> {
    if x.dims() == expected {
        return Ok(());
    }
    Err(Error::Shapes { what, got: x.dims().to_vec(), expected: expected.to_vec() })
}
