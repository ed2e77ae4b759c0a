//! Arithmetic on chains, one row each: fused loops over main memory, tensor operations elsewhere.
//!
//! A sampler runs these ninety times per learning iteration on a million elements, so on the CPU each is one
//! pass with no temporary. Rows are summed in a fixed order: the bits do not depend on the number of threads.

use candle_core::{DType, Device, Storage, Tensor, WithDType};
use rayon::prelude::*;

use crate::chain_key::is_fused;
use crate::{ChainKey, Error, Result};

/// The types with fused loops.
trait Real: WithDType + Into<f64> {
    /// As many standard normal numbers as `x` has elements.
    fn normals(key: ChainKey, x: &Tensor) -> Vec<Self>;
    /// Within [min, max]; a NaN stays one.
    fn held(self, min: Self, max: Self) -> Self;
}

impl Real for f32 {
    fn normals(key: ChainKey, x: &Tensor) -> Vec<f32> {
        key.normals(x)
    }
    fn held(self, min: f32, max: f32) -> f32 {
        self.clamp(min, max)
    }
}

impl Real for f64 {
    fn normals(key: ChainKey, x: &Tensor) -> Vec<f64> {
        key.normals(x).into_iter().map(f64::from).collect()
    }
    fn held(self, min: f64, max: f64) -> f64 {
        self.clamp(min, max)
    }
}

/// Elements per parallel piece, rounded to whole rows.
const PIECE: usize = 1 << 14;

/// `x - step_size grad + noise_scale z` with z drawn from `key`, held within `bounds`, and the Euclidean norms of
/// `grad`'s rows.
pub(crate) fn descend(
    x: &Tensor,
    grad: &Tensor,
    (step_size, noise_scale): (f64, f64),
    bounds: Option<(f64, f64)>,
    key: ChainKey,
) -> Result<(Tensor, Tensor)> {
    if !is_fused(x) {
        let norms = inner(grad, grad)?.sqrt()?;
        let mut moved = add_scaled(x, -step_size, grad)?;
        if noise_scale != 0.0 {
            moved = add_scaled(&moved, noise_scale, &key.normal_like(x)?)?;
        }
        if let Some((min, max)) = bounds {
            moved = clamp(&moved, min, max)?;
        }
        return Ok((moved, norms));
    }
    match x.dtype() {
        DType::F64 => descend_slices::<f64>(x, grad, (step_size, noise_scale), bounds, key),
        _ => descend_slices::<f32>(x, grad, (step_size, noise_scale), bounds, key),
    }
}

fn descend_slices<T: Real>(
    x: &Tensor,
    grad: &Tensor,
    (step_size, noise_scale): (f64, f64),
    bounds: Option<(f64, f64)>,
    key: ChainKey,
) -> Result<(Tensor, Tensor)> {
    let (n, row) = rows(x);
    // The noise is turned into the result in place.
    let mut out = match noise_scale {
        0.0 => vec![T::zero(); n * row],
        _ => T::normals(key, x),
    };
    let mut norms = vec![T::zero(); n];
    let (step, scale) = (T::from_f64(step_size), T::from_f64(noise_scale));
    let bounds = bounds.map(|(min, max)| (T::from_f64(min), T::from_f64(max)));
    with_slices(x, grad, |x: &[T], grad: &[T]| {
        let piece = (PIECE / row).max(1);
        let pieces = out.par_chunks_mut(piece * row).zip(norms.par_chunks_mut(piece));
        let inputs = x.par_chunks(piece * row).zip(grad.par_chunks(piece * row));
        pieces.zip(inputs).for_each(|((out, norms), (x, grad))| {
            let grads = grad.chunks_exact(row);
            for (norm, grad) in norms.iter_mut().zip(grads.clone()) {
                *norm = T::from_f64(dot(grad, grad).sqrt());
            }
            let moved = out.iter_mut().zip(x).zip(grad);
            match bounds {
                None => moved.for_each(|((out, x), grad)| *out = *x - step * *grad + scale * *out),
                Some((min, max)) => moved.for_each(|((out, x), grad)| {
                    *out = (*x - step * *grad + scale * *out).held(min, max);
                }),
            }
        });
    })?;
    Ok((Tensor::from_vec(out, x.shape(), &Device::Cpu)?, Tensor::from_vec(norms, n, &Device::Cpu)?))
}

/// `x + scale y`.
pub(crate) fn add_scaled(x: &Tensor, scale: f64, y: &Tensor) -> Result<Tensor> {
    fn slices<T: Real>(x: &Tensor, scale: f64, y: &Tensor) -> Result<Tensor> {
        let scale = T::from_f64(scale);
        map(x, y, |x: T, y| x + scale * y)
    }
    match (is_fused(x), x.dtype()) {
        (true, DType::F64) => slices::<f64>(x, scale, y),
        (true, _) => slices::<f32>(x, scale, y),
        _ => Ok((x + (y * scale)?)?),
    }
}

/// `x` held within [min, max], element by element; a NaN stays one on the CPU.
pub(crate) fn clamp(x: &Tensor, min: f64, max: f64) -> Result<Tensor> {
    match (is_fused(x), x.dtype()) {
        (true, DType::F64) => map(x, x, |x: f64, _| x.clamp(min, max)),
        (true, _) => map(x, x, |x: f32, _| x.clamp(min as f32, max as f32)),
        _ => Ok(x.clamp(min, max)?),
    }
}

/// Inner product of each row of `a` with the same row of `b`, `[n]`, summed in double precision on the CPU.
pub(crate) fn inner(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    fn slices<T: Real>(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (n, row) = rows(a);
        let mut out = vec![T::zero(); n];
        with_slices(a, b, |a: &[T], b: &[T]| {
            let piece = (PIECE / row).max(1);
            let inputs = a.par_chunks(piece * row).zip(b.par_chunks(piece * row));
            out.par_chunks_mut(piece).zip(inputs).for_each(|(out, (a, b))| {
                for (out, (a, b)) in out.iter_mut().zip(a.chunks_exact(row).zip(b.chunks_exact(row))) {
                    *out = T::from_f64(dot(a, b));
                }
            });
        })?;
        Ok(Tensor::from_vec(out, n, &Device::Cpu)?)
    }
    match (is_fused(a), a.dtype()) {
        (true, DType::F64) => slices::<f64>(a, b),
        (true, _) => slices::<f32>(a, b),
        _ => Ok((a * b)?.flatten_from(1)?.sum(1)?),
    }
}

/// Rows of `yes` where `choose`, `[n]` of 0 or 1, is 1, and of `no` elsewhere, bit for bit.
pub(crate) fn select(choose: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; yes.rank()];
    shape[0] = choose.elem_count();
    let choose = choose.reshape(shape)?.broadcast_as(yes.shape())?.contiguous()?;
    Ok(choose.where_cond(yes, no)?)
}

/// Some rows of `x`, in this order.
pub(crate) fn take_rows(x: &Tensor, rows: &[usize]) -> candle_core::Result<Tensor> {
    if rows.len() == x.dim(0)? && rows.iter().enumerate().all(|(at, &row)| at == row) {
        return Ok(x.clone());
    }
    let numbers: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    let numbers = Tensor::from_vec(numbers, rows.len(), x.device())?;
    x.contiguous()?.index_select(&numbers, 0)
}

/// `x` with some of its rows replaced by those of `new`, bit for bit.
pub(crate) fn replace_rows(x: &Tensor, rows: &[usize], new: &Tensor) -> candle_core::Result<Tensor> {
    if rows.is_empty() {
        return Ok(x.clone());
    }
    let n = x.dim(0)?;
    let mut sources: Vec<usize> = (0..n).collect();
    for (at, &row) in rows.iter().enumerate() {
        sources[row] = n + at;
    }
    take_rows(&Tensor::cat(&[x, new], 0)?, &sources)
}

fn map<T: Real>(x: &Tensor, y: &Tensor, f: impl Fn(T, T) -> T + Sync) -> Result<Tensor> {
    let mut out = vec![T::zero(); x.elem_count()];
    with_slices(x, y, |x: &[T], y: &[T]| {
        let inputs = x.par_chunks(PIECE).zip(y.par_chunks(PIECE));
        out.par_chunks_mut(PIECE).zip(inputs).for_each(|(out, (x, y))| {
            for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                *out = f(*x, *y);
            }
        });
    })?;
    Ok(Tensor::from_vec(out, x.shape(), &Device::Cpu)?)
}

/// Calls `f` on the elements of two tensors of main memory of one shape and of type `T`.
fn with_slices<T: Real>(a: &Tensor, b: &Tensor, f: impl FnOnce(&[T], &[T])) -> Result<()> {
    if a.shape() != b.shape() {
        let expected = format!("{:?}", a.shape());
        return Err(Error::Shape { what: "an operand of a step", got: b.shape().clone(), expected });
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let (storage_a, layout_a) = a.storage_and_layout();
    let (storage_b, layout_b) = b.storage_and_layout();
    let (Storage::Cpu(cpu_a), Storage::Cpu(cpu_b)) = (&*storage_a, &*storage_b) else {
        return Err(candle_core::Error::Msg("the operands of a step lie on different devices".into()).into());
    };
    let (from_a, from_b) = (layout_a.start_offset(), layout_b.start_offset());
    let len = a.elem_count();
    f(&cpu_a.as_slice::<T>()?[from_a..from_a + len], &cpu_b.as_slice::<T>()?[from_b..from_b + len]);
    Ok(())
}

/// Number of rows, and elements of one.
fn rows(x: &Tensor) -> (usize, usize) {
    let n = x.dims().first().copied().unwrap_or(1);
    (n, x.elem_count() / n.max(1))
}

/// Sum of products in eight interleaved accumulators, an order that vectorises.
fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let mut lanes = [0f64; 8];
    let (whole_a, whole_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = whole_a.remainder().iter().zip(whole_b.remainder());
    let rest: f64 = rest.map(|(a, b)| (*a).into() * (*b).into()).sum();
    for (a, b) in whole_a.zip(whole_b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += (*a).into() * (*b).into();
        }
    }
    lanes.iter().sum::<f64>() + rest
}
