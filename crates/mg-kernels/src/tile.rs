//! The two innermost loops: a tile of output pixels by output channels for a convolution, and a tile of input
//! channels by output channels for a weight gradient. Both keep their sums in registers.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::simd::{Element, Simd};

/// Most pixels (or input channels) a tile has on any processor.
pub(crate) const MOST_ROWS: usize = 14;

/// A run of input values that follow each other in memory, relative to a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// What happens to the sums of a convolution before they are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<E> {
    /// Nothing.
    Plain,
    /// Leaky ReLU with this slope.
    Leaky(E),
    /// Multiplied by leaky ReLU's derivative (1 or this slope) at the values found at `Tile::gate`.
    Gate(E),
}

/// One tile of a convolution: for pixel i, channel o
/// `output[i][o] = finish(bias[o] + sum over segments, k: input[i][segment.offset + k] * weights[.., k, o])`.
pub(crate) struct Tile<'a, E> {
    pub(crate) input: [*const E; MOST_ROWS],
    pub(crate) output: [*mut E; MOST_ROWS],
    pub(crate) gate: [*const E; MOST_ROWS],
    /// Pixels to store; the pointers of `input` beyond are valid but their sums are dropped.
    pub(crate) rows: usize,
    pub(crate) segments: &'a [Segment],
    /// `[sum of segment lengths, channels of the tile]`.
    pub(crate) weights: *const E,
    /// As many as the tile has channels.
    pub(crate) bias: *const E,
    pub(crate) finish: Finish<E>,
}

/// Computes a tile of `MR` pixels by `NV` vectors.
///
/// # Safety
/// The processor has `S`; `input[..MR]` are valid for reads of all segments, `weights` and `bias` for what the fields
/// say, `output[..rows]` for writes of `NV` vectors, and so is `gate` for reads when `finish` is a gate.
#[inline(always)]
pub(crate) unsafe fn convolve<S: Simd, const MR: usize, const NV: usize>(tile: &Tile<S::Elem>) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[S::splat(*tile.bias); NV]; MR];
        for row in &mut sums {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = S::load(tile.bias.add(v * S::LANES));
            }
        }
        let mut weights = tile.weights;
        for segment in tile.segments {
            let mut input = [tile.input[0]; MR];
            for (i, pointer) in input.iter_mut().enumerate() {
                *pointer = tile.input[i].add(segment.offset);
            }
            for k in 0..segment.len {
                let mut w = [sums[0][0]; NV];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = S::load(weights.add(v * S::LANES));
                }
                for i in 0..MR {
                    let x = S::splat(*input[i].add(k));
                    for v in 0..NV {
                        sums[i][v] = S::mul_add(x, w[v], sums[i][v]);
                    }
                }
                weights = weights.add(NV * S::LANES);
            }
        }
        for (i, row) in sums.iter().enumerate() {
            if i < tile.rows {
                for (v, sum) in row.iter().enumerate() {
                    let at = v * S::LANES;
                    S::store(tile.output[i].add(at), finish::<S>(tile, i, at, *sum));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn finish<S: Simd>(tile: &Tile<S::Elem>, i: usize, at: usize, sum: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract.
    unsafe {
        match tile.finish {
            Finish::Plain => sum,
            Finish::Leaky(slope) => S::if_positive(sum, sum, S::mul(sum, S::splat(slope))),
            Finish::Gate(slope) => {
                S::if_positive(S::load(tile.gate[i].add(at)), sum, S::mul(sum, S::splat(slope)))
            }
        }
    }
}

/// One tile of a weight gradient: for input value i, channel o
/// `into[i][o] += sum over pixels p: input[input_at[p] + i] * grad[grad_at[p] + o]`.
pub(crate) struct WeightTile<'a, E> {
    pub(crate) input: *const E,
    pub(crate) input_at: &'a [u32],
    pub(crate) grad: *const E,
    pub(crate) grad_at: &'a [u32],
    /// `[rows, channels of the tile]`.
    pub(crate) into: *mut E,
    /// Input values that count.
    pub(crate) rows: usize,
}

/// Computes a tile of `MR` input values by `NV` vectors of channels.
///
/// # Safety
/// The processor has `S`; every `input_at` is valid for reads of `MR` elements, every `grad_at` of `NV` vectors (there
/// are as many of them), and `into` for reads and writes of `rows * NV` vectors.
#[inline(always)]
pub(crate) unsafe fn weight_gradient<S: Simd, const MR: usize, const NV: usize>(tile: &WeightTile<S::Elem>) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[S::splat(S::Elem::of(0.0)); NV]; MR];
        for p in 0..tile.input_at.len() {
            let x = tile.input.add(*tile.input_at.get_unchecked(p) as usize);
            let g = tile.grad.add(*tile.grad_at.get_unchecked(p) as usize);
            let mut w = [sums[0][0]; NV];
            for (v, w) in w.iter_mut().enumerate() {
                *w = S::load(g.add(v * S::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let x = S::splat(*x.add(i));
                for v in 0..NV {
                    row[v] = S::mul_add(x, w[v], row[v]);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            if i < tile.rows {
                for (v, sum) in row.iter().enumerate() {
                    let to = tile.into.add((i * NV + v) * S::LANES);
                    S::store(to, S::add(S::load(to), *sum));
                }
            }
        }
    }
}
