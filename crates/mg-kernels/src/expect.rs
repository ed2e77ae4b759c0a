use candle_core::{DType, Tensor};

use crate::{Error, Result};

/// Checks one tensor's shape (0 stands for any size) and element type.
pub(crate) fn expect(what: impl Into<String>, tensor: &Tensor, dims: &[usize], dtype: DType) -> Result<()> {
    let found = tensor.dims();
    if found.len() != dims.len() || found.iter().zip(dims).any(|(f, d)| *d != 0 && f != d) {
        return Err(Error::Shape { what: what.into(), expected: dims.to_vec(), found: found.to_vec() });
    }
    if tensor.dtype() != dtype {
        return Err(Error::DType { what: what.into(), expected: dtype, found: tensor.dtype() });
    }
    Ok(())
}
