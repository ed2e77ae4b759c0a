//! The innermost loop of a convolution: a tile of output pixels by output channels, whose sums stay in registers.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::curve::leaky;
use crate::element::Element;
use crate::finish::{Finish, finished};
use crate::format::Format;
use crate::simd::{ElemOf, Simd, Unit, VectorOf, prefetch};

/// Most pixels (or input channels) a tile has on any processor.
pub(crate) const MOST_ROWS: usize = 14;
/// Most vectors of output channels in a tile.
pub(crate) const TILE_VECTORS: usize = 2;

/// Pixels from which on a tile asks for its weights ahead of their use, and bytes that it is ahead: weights that no cache near
/// the processor holds come page by page from one further away.
const PREFETCH_ROWS: usize = 8;
const AHEAD: usize = 2048;

/// A run of input values that follow each other in memory, relative to a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// One tile of a convolution: for pixel i, channel o
/// `output[i][o] = finish(bias[o] + sum over segments, k: input[i][segment.offset + k] * weights[.., k, o])`.
pub(crate) struct Tile<'a, P: Format> {
    pub(crate) input: [*const P::Stored; MOST_ROWS],
    pub(crate) output: Output<P>,
    pub(crate) gate: [*const P::Stored; MOST_ROWS],
    /// Pixels to store; the pointers of `input` beyond are valid but their sums are dropped.
    pub(crate) rows: usize,
    /// Their lengths are whole groups.
    pub(crate) segments: &'a [Segment],
    /// `[sum of segment lengths in groups, channels of the tile, group]`.
    pub(crate) weights: *const P::Stored,
    /// As many as the tile has channels.
    pub(crate) bias: *const P::Elem,
    pub(crate) finish: Finish<P::Elem>,
}

/// Where the results of a tile go, and in which form.
pub(crate) enum Output<P: Format> {
    Stored([*mut P::Stored; MOST_ROWS]),
    Elem([*mut P::Elem; MOST_ROWS]),
}

/// Computes a tile of `MR` pixels by `NV` vectors.
///
/// # Safety
/// The processor has `U`; `input[..MR]` are valid for reads of all segments, `weights` and `bias` for what the fields
/// say, `output[..rows]` for writes of `NV` vectors, and so is `gate` for reads when `finish` is a gate.
#[inline(always)]
pub(crate) unsafe fn convolve<U: Unit, const MR: usize, const NV: usize>(tile: &Tile<U::Format>) {
    let (lanes, group) = (U::Simd::LANES, U::Format::GROUP);
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[U::Simd::splat(*tile.bias); NV]; MR];
        for row in &mut sums {
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = U::Simd::load(tile.bias.add(v * lanes));
            }
        }
        let mut weights = tile.weights;
        for segment in tile.segments {
            let mut input = [tile.input[0]; MR];
            for (i, pointer) in input.iter_mut().enumerate() {
                *pointer = tile.input[i].add(segment.offset);
            }
            for k in (0..segment.len / group).map(|k| k * group) {
                let mut w = [U::weights(weights); NV];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = U::weights(weights.add(v * lanes * group));
                    if MR >= PREFETCH_ROWS {
                        prefetch(weights.add(v * lanes * group).cast::<u8>().wrapping_add(AHEAD));
                    }
                }
                for i in 0..MR {
                    for v in 0..NV {
                        sums[i][v] = U::multiply_add(input[i].add(k), w[v], sums[i][v]);
                    }
                }
                weights = weights.add(NV * lanes * group);
            }
        }
        // From here on the sums lie in memory, for all that the compiler knows; a loop over them that it does not unroll
        // would otherwise put them there from the start.
        let sums = std::hint::black_box(sums);
        match tile.finish {
            Finish::Plain => put::<U, MR, NV>(tile, &sums, |_, _, sum| sum),
            Finish::Leaky(slope) => {
                let slope = U::Simd::splat(slope);
                put::<U, MR, NV>(tile, &sums, |_, _, sum| leaky::<U::Simd>(sum, sum, slope));
            }
            Finish::Clipped(most) => {
                let (zero, most) = (U::Simd::splat(ElemOf::<U>::of(0.0)), U::Simd::splat(most));
                put::<U, MR, NV>(tile, &sums, |_, _, sum| U::Simd::min(U::Simd::max(sum, zero), most));
            }
            Finish::Gate(slope) => {
                let slope = U::Simd::splat(slope);
                put::<U, MR, NV>(tile, &sums, |i, at, sum| {
                    leaky::<U::Simd>(U::load(tile.gate[i].add(at)), sum, slope)
                });
            }
        }
    }
}

/// Finishes and stores the sums of a tile that were computed elsewhere: one vector of channels, `stride` apart; the
/// tile's input and weights are not used.
///
/// # Safety
/// The processor has `U`; `sums` is valid for reads of a vector for each of the tile's `rows`, as is its bias; `output`
/// and `gate` are as for [`convolve`].
#[inline(always)]
pub(crate) unsafe fn finish_sums<U: Unit>(tile: &Tile<U::Format>, sums: *const ElemOf<U>, stride: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let bias = U::Simd::load(tile.bias);
        for i in 0..tile.rows {
            let sum = U::Simd::add(U::Simd::load(sums.add(i * stride)), bias);
            let sum = finished::<U>(tile.finish, sum, || U::load(tile.gate[i]));
            match &tile.output {
                Output::Stored(output) => U::store(output[i], sum),
                Output::Elem(output) => U::Simd::store(output[i], sum),
            }
        }
    }
}

/// Stores `finish(pixel, first channel, sum)` for every sum of a tile.
#[inline(always)]
unsafe fn put<U: Unit, const MR: usize, const NV: usize>(
    tile: &Tile<U::Format>,
    sums: &[[VectorOf<U>; NV]; MR],
    finish: impl Fn(usize, usize, VectorOf<U>) -> VectorOf<U>,
) {
    // SAFETY: the contract of `convolve`.
    unsafe {
        match &tile.output {
            Output::Stored(output) => {
                for (i, row) in sums.iter().enumerate().take(tile.rows) {
                    for (v, sum) in row.iter().enumerate() {
                        let at = v * U::Simd::LANES;
                        U::store(output[i].add(at), finish(i, at, *sum));
                    }
                }
            }
            Output::Elem(output) => {
                for (i, row) in sums.iter().enumerate().take(tile.rows) {
                    for (v, sum) in row.iter().enumerate() {
                        let at = v * U::Simd::LANES;
                        U::Simd::store(output[i].add(at), finish(i, at, *sum));
                    }
                }
            }
        }
    }
}
