//! Numbers of the channels of maps, by tensor operations.

use candle_core::Tensor;

use crate::Result;

/// `v [c]` as `[1, c, 1, 1]`, to meet maps `[n, c, h, w]`.
///
/// # Errors
/// candle's.
pub fn per_channel(v: &Tensor) -> Result<Tensor> {
    Ok(v.reshape((1, v.dim(0)?, 1, 1))?)
}

/// Sums `[c]` over the images and pixels of `x [n, c, h, w]`. Rows of memory are summed first, which is much faster than
/// all dimensions at once.
///
/// # Errors
/// candle's.
pub fn channel_sum(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(2)?.sum(2)?.sum(0)?)
}

/// Means `[c]` over the images and pixels of `x [n, c, h, w]`, as [`channel_sum`].
///
/// # Errors
/// candle's.
pub fn channel_mean(x: &Tensor) -> Result<Tensor> {
    let (n, _, h, w) = x.dims4()?;
    Ok((channel_sum(x)? / (n * h * w) as f64)?)
}
