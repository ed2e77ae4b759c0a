use candle_core::{DType, Device, Tensor};

use crate::{Energy, Result};

/// Points along a side of the lattice that integrals are sums over.
const SIDE: usize = 1001;

/// log of the integral of exp(-U) over the square [-half_width, half_width]^2, by the trapezoidal rule on 1001 x 1001 points.
///
/// Exact to many digits where U is smooth, the square holds nearly all of the mass, and nothing is narrower than a
/// few hundredths of `half_width`.
///
/// # Errors
/// When the energy fails.
pub fn log_normalizer_on_plane(energy: &dyn Energy, half_width: f64) -> Result<f64> {
    let step = 2.0 * half_width / (SIDE - 1) as f64;
    let line =
        Tensor::arange(0u32, SIDE as u32, &Device::Cpu)?.to_dtype(DType::F64)?.affine(step, -half_width)?;
    let across = line.reshape((SIDE, 1))?;
    let mut rows = Vec::with_capacity(SIDE);
    for row in line.to_vec1::<f64>()? {
        let points = Tensor::cat(&[&across, &across.affine(0.0, row)?], 1)?; // [SIDE, 2]
        rows.push(energy.energy(&points)?);
    }
    let energies = Tensor::cat(&rows, 0)?.to_vec1::<f64>()?;
    let least = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let sum: f64 = energies.iter().map(|energy| (least - energy).exp()).sum();
    Ok((sum * step * step).ln() - least)
}

/// Both coordinates of points of the plane, [n, 2] or what flattens to it, as `[n]` each.
pub(super) fn coordinates(x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
    let x = x.flatten_from(1)?;
    if x.dim(1)? != 2 {
        candle_core::bail!("this target lies in the plane: chains have shape [n, 2], not {:?}", x.dims());
    }
    Ok((x.narrow(1, 0, 1)?.squeeze(1)?, x.narrow(1, 1, 1)?.squeeze(1)?))
}
