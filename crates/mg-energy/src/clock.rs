use std::f64::consts::PI;

use candle_core::Tensor;

use crate::{Error, NetSpec, Result};

/// Images [n, c, s, s] with the planes after them that tell a net of `spec` the time of each, in [0, 1]: plane j = 1, 2,
/// ... is cos(pi j t) everywhere. [n, c + spec.clock, s, s].
///
/// # Errors
/// When there are not as many times as images.
pub(crate) fn with_clock(spec: &NetSpec, x: &Tensor, times: &[f64]) -> Result<Tensor> {
    let (n, _, side, _) = x.dims4()?;
    if times.len() != n {
        return Err(Error::Spec(format!("{} times for {n} images: one each", times.len())));
    }
    let of_time = |t: &f64| (1..=spec.clock).map(|j| (PI * j as f64 * t).cos()).collect::<Vec<_>>();
    let values: Vec<f64> = times.iter().flat_map(of_time).collect();
    let planes = Tensor::from_vec(values, (n, spec.clock, 1, 1), x.device())?.to_dtype(x.dtype())?;
    Ok(Tensor::cat(&[x, &planes.broadcast_as((n, spec.clock, side, side))?], 1)?.contiguous()?)
}
