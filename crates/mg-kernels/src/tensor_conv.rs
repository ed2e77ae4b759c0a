//! A convolution and its two adjoints by candle's own operations, on any device and in any float type.
//!
//! candle differentiates `conv2d` through `conv_transpose2d`, which is a naive loop on the CPU and on CUDA. Here the
//! input adjoint is a *forward* convolution too: for stride `s`, rows `s * q + r` of the result form phase `r`, each
//! phase is a stride-1 convolution of `dy` with its share of the kernel, and all phases are computed at once as
//! `s * s * c_in` channels that are then laid out in space.

use candle_core::Tensor;

use crate::{ConvGeometry, Result};

/// Pads with zeros (positive) or crops (negative) dimension `dim`.
fn pad(x: &Tensor, dim: usize, before: isize, after: isize) -> Result<Tensor> {
    let (crop_before, crop_after) = ((-before).max(0) as usize, (-after).max(0) as usize);
    let kept = x.dim(dim)? - crop_before - crop_after;
    let x = x.narrow(dim, crop_before, kept)?;
    let (before, after) = (before.max(0) as usize, after.max(0) as usize);
    Ok(if before + after > 0 { x.pad_with_zeros(dim, before, after)? } else { x })
}

fn pad_map(x: &Tensor, before: isize, after: isize) -> Result<Tensor> {
    Ok(pad(&pad(x, 2, before, after)?, 3, before, after)?.contiguous()?)
}

/// `x` [n, c_in, s, s] and `weight` [c_out, c_in, k, k] -> [n, c_out, out, out].
pub(crate) fn conv2d(x: &Tensor, weight: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let ConvGeometry { stride, pad_before, pad_after, .. } = *geometry;
    if pad_before == pad_after {
        return Ok(x.contiguous()?.conv2d(weight, pad_before, stride, 1, 1)?);
    }
    Ok(pad_map(x, pad_before as isize, pad_after as isize)?.conv2d(weight, 0, stride, 1, 1)?)
}

/// The kernel of the input adjoint as a stride-1 convolution, `[stride * stride * c_in, c_out, u, u]`.
pub(crate) fn adjoint_kernel(weight: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
    let (low, high) = geometry.adjoint_reach();
    let reach = (high - low + 1) as usize;
    // Entry (phase, u) is the kernel row that meets phase `phase` at offset `low + u`; row `kernel` is all zeros.
    let rows: Vec<u32> = (0..stride)
        .flat_map(|phase| (low..=high).map(move |offset| (phase, offset)))
        .map(|(phase, offset)| {
            let found = (0..kernel).find(|k| geometry.adjoint_offset(phase, *k) == Some(offset));
            found.unwrap_or(kernel) as u32
        })
        .collect();
    let rows = Tensor::new(rows, weight.device())?;
    let spread = weight.pad_with_zeros(2, 0, 1)?.contiguous()?.index_select(&rows, 2)?;
    let spread = spread.pad_with_zeros(3, 0, 1)?.contiguous()?.index_select(&rows, 3)?;
    let spread = spread.reshape(&[c_out, c_in, stride, reach, stride, reach])?; // [co, ci, ry, uy, rx, ux]
    Ok(spread.permute(&[2, 4, 1, 0, 3, 5][..])?.reshape((stride * stride * c_in, c_out, reach, reach))?)
}

/// The input adjoint, from [`adjoint_kernel`]: `dy` [n, c_out, out, out] -> [n, c_in, side, side].
pub(crate) fn input_adjoint(
    dy: &Tensor,
    kernel: &Tensor,
    geometry: &ConvGeometry,
    side: usize,
) -> Result<Tensor> {
    let ConvGeometry { c_in, stride, .. } = *geometry;
    let (n, out, phases) = (dy.dim(0)?, dy.dim(2)?, side.div_ceil(stride));
    let (low, high) = geometry.adjoint_reach();
    let dy = pad_map(dy, -low, phases as isize + high - out as isize)?;
    let dx = dy.conv2d(kernel, 0, 1, 1, 1)?; // [n, s * s * c_in, phases, phases]
    if stride == 1 {
        return Ok(dx);
    }
    let dx = dx.reshape(&[n, stride, stride, c_in, phases, phases])?;
    let dx = dx.permute(&[0, 3, 4, 1, 5, 2][..])?.reshape((n, c_in, phases * stride, phases * stride))?;
    Ok(dx.narrow(2, 0, side)?.narrow(3, 0, side)?.contiguous()?)
}

/// `x` [n, c_in, s, s] and `dy` [n, c_out, out, out] -> the weight's gradient [c_out, c_in, k, k].
pub(crate) fn weight_adjoint(x: &Tensor, dy: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let ConvGeometry { c_in, c_out, kernel, stride, pad_before, .. } = *geometry;
    let (n, _, side, _) = x.dims4()?;
    let out = dy.dim(2)?;
    // Enough whole strides to reach the last kernel row from the last output.
    let steps = out + (kernel - 1) / stride;
    let x = pad_map(x, pad_before as isize, (steps * stride) as isize - (side + pad_before) as isize)?;
    let x = x.reshape(&[n, c_in, steps, stride, steps, stride])?;
    let dy = dy.transpose(0, 1)?.reshape((c_out, n * out * out))?; // [c_out, n * out * out]
    let mut taps = Vec::with_capacity(kernel * kernel);
    for ky in 0..kernel {
        for kx in 0..kernel {
            let tap = x.narrow(3, ky % stride, 1)?.narrow(5, kx % stride, 1)?;
            let tap = tap.narrow(2, ky / stride, out)?.narrow(4, kx / stride, out)?;
            let tap = tap.permute(&[0, 2, 3, 4, 5, 1][..])?.reshape((n * out * out, c_in))?;
            taps.push(dy.matmul(&tap)?); // [c_out, c_in]
        }
    }
    Ok(Tensor::stack(&taps, 2)?.reshape((c_out, c_in, kernel, kernel))?)
}
