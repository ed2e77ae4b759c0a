//! Products of transformed tiles in fixed point, for networks that compute in bf16.
//!
//! bf16 is too short for transformed tiles: the transforms of F(4x4, 3x3) enlarge rounding errors about five times.
//! Processors that multiply pairs of bf16 multiply pairs of 16-bit integers as fast, and sum them exactly. So a row of
//! transformed values `x` (one tile, one frequency, all channels) is scaled to integers, and so is a column of weights
//! `w`; both are scaled back after the sum. `sum |x| max |w| < 2^31` in integers makes an overflow impossible, and
//! leaves 12 to 15 bits where bf16 has 8: in all, an error like that of a direct convolution in bf16.
#![allow(unsafe_code, reason = "vector units on checked addresses")]

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::packed::TILE_VECTORS;
use crate::simd::{Element, HalfSimd, Level};

/// Bound of every sum: 2^31 less what rounding adds to the terms, at most half of the largest weight for each channel.
const BOUND: f32 = 2_140_000_000.0;
/// Largest integer.
const MOST: f32 = 32_767.0;

/// The largest weight in integers. With normally distributed channels, whose greatest is about 3 deviations and whose
/// mean size is 0.8, this makes the rounding errors of inputs and weights equal.
fn most_weight(c_in: usize) -> f32 {
    (3.0 / 0.8 * BOUND / c_in as f32).sqrt().min(MOST).floor()
}

/// Most rows of a tile.
const MOST_ROWS: usize = 14;

/// The nearest integer, ties to even, of a number that fits: adding 3/2 2^23 moves it to the last bits.
fn nearest(v: f32) -> i16 {
    (v + 12_582_912.0).to_bits() as i16
}

/// Weights `[frequency][c_in][c_out]` as integers, with what one is worth.
pub(crate) struct FixedWeights {
    /// `[blocks of TILE_VECTORS vectors][frequency][pairs of c_in][vectors of the block][2]`.
    values: Aligned<i16>,
    /// `[blocks of TILE_VECTORS vectors][frequency][channels of the block]`.
    units: Aligned<f32>,
    pairs: usize,
    frequencies: usize,
    /// Bound of the sum of a row's sizes, in integers.
    row_bound: f32,
}

impl FixedWeights {
    /// `weights` are `[blocks of TILE_VECTORS vectors][frequency][c_in][channels of the block]`.
    pub(super) fn new<E: Element>(weights: &[E], lanes: usize, c_in: usize, frequencies: usize) -> Self {
        let (pairs, channels) = (c_in.div_ceil(2), weights.len() / (c_in * frequencies));
        let mut values = Aligned::zeroed(frequencies * 2 * pairs * channels);
        let mut units = Aligned::<f32>::zeroed(frequencies * channels);
        let (full, limit) = (TILE_VECTORS * lanes, most_weight(c_in));
        let blocks = values.par_chunks_mut(frequencies * 2 * pairs * full);
        let blocks = blocks.zip(units.par_chunks_mut(frequencies * full));
        let blocks = blocks.zip(weights.par_chunks(frequencies * c_in * full));
        blocks.for_each(|((values, units), weights)| {
            let width = units.len() / frequencies;
            let rows = weights.chunks_exact(c_in * width).zip(units.chunks_exact_mut(width));
            for ((weights, units), values) in rows.zip(values.chunks_exact_mut(2 * pairs * width)) {
                for row in weights.chunks_exact(width) {
                    for (most, w) in units.iter_mut().zip(row) {
                        let size = (w.to_f64() as f32).abs();
                        // Not `max`: what is no number must stay so.
                        *most = if size <= *most { *most } else { size };
                    }
                }
                let scales: Vec<f32> =
                    units.iter().map(|most| if *most > 0.0 { limit / most } else { 0.0 }).collect();
                units.iter_mut().for_each(|most| *most /= limit);
                for (pair, to) in weights.chunks(2 * width).zip(values.chunks_exact_mut(2 * width)) {
                    for (half, row) in pair.chunks_exact(width).enumerate() {
                        for ((to, w), scale) in to.chunks_exact_mut(2).zip(row).zip(&scales) {
                            to[half] = nearest(w.to_f64() as f32 * scale);
                        }
                    }
                }
            }
        });
        Self { values, units, pairs, frequencies, row_bound: BOUND / limit }
    }
}

/// Memory for transformed tiles as integers.
pub(crate) struct FixedRoom {
    /// `[frequency][tile][pairs of c_in, whole vectors][2]`.
    values: Aligned<i16>,
    /// What one is worth, `[frequency][tile]`.
    units: Aligned<f32>,
}

impl FixedRoom {
    pub(super) fn empty() -> Self {
        Self { values: Aligned::zeroed(0), units: Aligned::zeroed(0) }
    }
}

/// One tile of products: `output[i][o] = units[i] * weight_units[o] * sum over k: input[i][k] * weights[k, o]`.
struct FixedTile<E> {
    input: [*const i16; MOST_ROWS],
    units: [f32; MOST_ROWS],
    /// Rows to store; the pointers of `input` beyond are valid but their sums are dropped.
    rows: usize,
    pairs: usize,
    weights: *const i16,
    weight_units: *const f32,
    output: [*mut E; MOST_ROWS],
}

type TileFn<E> = unsafe fn(&FixedTile<E>);

/// The kernels of one instruction set.
///
/// Invariant: made by [`kernels`] for a level this processor has.
pub(crate) struct FixedKernels<E: 'static> {
    lanes: usize,
    /// Rows, and the functions for one and two vectors of channels, by falling number of rows.
    tiles: &'static [(usize, [TileFn<E>; 2])],
    /// Scales values to integers; returns what one is worth.
    quantize: unsafe fn(&[E], f32, &mut [i16]) -> f32,
}

impl<E: Element> FixedKernels<E> {
    /// Takes a transformed tile in, number `tile` of `tiles`: `[frequency][pitch]` of which `c_in` channels count.
    pub(super) fn load(
        &self,
        weights: &FixedWeights,
        (line, pitch): (&[E], usize),
        (tile, tiles): (usize, usize),
        room: &mut FixedRoom,
    ) {
        let stride = self.stride(weights);
        room.values.grow(weights.frequencies * tiles * stride);
        room.units.grow(weights.frequencies * tiles);
        for (frequency, row) in line.chunks_exact(pitch).take(weights.frequencies).enumerate() {
            let at = frequency * tiles + tile;
            let to = &mut room.values[at * stride..][..stride];
            // SAFETY: the processor has the kernels (the invariant); they check their bounds.
            room.units[at] = unsafe { (self.quantize)(&row[..stride], weights.row_bound, to) };
        }
    }

    /// Integers from one tile to the next.
    fn stride(&self, weights: &FixedWeights) -> usize {
        (2 * weights.pairs).next_multiple_of(self.lanes)
    }

    /// The products of one frequency with block `block` of output channels, of `vectors` vectors, for all tiles: `output[output_from + tile * output_step..]`.
    pub(super) fn multiply(
        &self,
        weights: &FixedWeights,
        (block, vectors): (usize, usize),
        (frequency, tiles): (usize, usize),
        room: &FixedRoom,
        (output, output_from, output_step): (&mut [E], usize, usize),
    ) {
        let (pairs, width, stride) = (weights.pairs, vectors * self.lanes, self.stride(weights));
        let start = block * TILE_VECTORS * self.lanes * weights.frequencies;
        let values = &weights.values[2 * pairs * (start + frequency * width)..][..2 * pairs * width];
        let weight_units = &weights.units[start + frequency * width..][..width];
        let input = &room.values[frequency * tiles * stride..][..tiles * stride];
        let units = &room.units[frequency * tiles..][..tiles];
        assert!(output_from + (tiles - 1) * output_step + width <= output.len(), "a product writes too far");
        assert!((1..=TILE_VECTORS).contains(&vectors));
        let (input, output) = (input.as_ptr(), output.as_mut_ptr());
        let mut done = 0;
        while done < tiles {
            let size = self.tiles.iter().rev().find(|size| size.0 >= tiles - done).unwrap_or(&self.tiles[0]);
            let rows = size.0.min(tiles - done);
            let row = |i: usize| done + i.min(rows - 1);
            let tile = FixedTile {
                input: std::array::from_fn(|i| input.wrapping_add(row(i) * stride)),
                units: std::array::from_fn(|i| units[row(i)]),
                rows,
                pairs,
                weights: values.as_ptr(),
                weight_units: weight_units.as_ptr(),
                output: std::array::from_fn(|i| output.wrapping_add(output_from + row(i) * output_step)),
            };
            // SAFETY: the processor has the kernels (the invariant); the slices above hold what the tile reads, the
            // assertion bounds what it writes.
            unsafe { (size.1[vectors - 1])(&tile) };
            done += rows;
        }
    }
}

/// Scales a row to integers whose sizes sum to at most `bound`; returns what one is worth.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn quantize<S: HalfSimd>(row: &[f32], bound: f32, to: &mut [i16]) -> f32 {
    assert!(row.len() == to.len() && row.len().is_multiple_of(S::LANES) && S::LANES <= 16);
    // SAFETY: the caller's contract; all addresses lie in the slices, of equal length.
    unsafe {
        let zero = S::splat(0.0);
        let (mut most, mut sum) = (zero, zero);
        for c in (0..row.len()).step_by(S::LANES) {
            let v = S::load(row.as_ptr().add(c));
            let size = S::max(v, S::sub(zero, v));
            (most, sum) = (S::max(most, size), S::add(sum, size));
        }
        let (mut mosts, mut sums) = ([0f32; 16], [0f32; 16]);
        S::store(mosts.as_mut_ptr(), most);
        S::store(sums.as_mut_ptr(), sum);
        let (most, sum) = (mosts.into_iter().fold(0.0, f32::max), sums.into_iter().sum::<f32>());
        // What is no number, or infinite, makes the sum so: it must come out again.
        let unit = if sum.is_finite() { (most / MOST).max(sum / bound) } else { f32::NAN };
        let scale = S::splat(if unit > 0.0 { 1.0 / unit } else { 0.0 });
        for c in (0..row.len()).step_by(S::LANES) {
            S::narrow_i16(to.as_mut_ptr().add(c), S::mul(S::load(row.as_ptr().add(c)), scale));
        }
        unit
    }
}

/// The kernels of a level, where they are worth their while.
pub(crate) fn kernels(level: Level) -> Option<&'static FixedKernels<f32>> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Bf16 => Some(&x86::VNNI),
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{FixedKernels, FixedTile, quantize};
    use crate::simd::Avx512;

    #[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
    unsafe fn quantize_512(row: &[f32], bound: f32, to: &mut [i16]) -> f32 {
        // SAFETY: the processor has AVX-512F, the caller's contract.
        unsafe { quantize::<Avx512<f32>>(row, bound, to) }
    }

    /// # Safety
    /// As for the portable one, and the processor has AVX-512F and AVX512-VNNI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
    unsafe fn products<const MR: usize, const NV: usize>(tile: &FixedTile<f32>) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); NV]; MR];
            let mut weights = tile.weights;
            for k in 0..tile.pairs {
                let mut w = [_mm512_setzero_si512(); NV];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = _mm512_loadu_si512(weights.add(v * 32).cast());
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_epi32(tile.input[i].cast::<i32>().add(k).read_unaligned());
                    for v in 0..NV {
                        sums[v] = _mm512_dpwssd_epi32(sums[v], x, w[v]);
                    }
                }
                weights = weights.add(NV * 32);
            }
            // As in `tile::convolve`: sums that a loop below does not unroll would not stay in registers above.
            let sums = std::hint::black_box(sums);
            for (i, sums) in sums.iter().enumerate().take(tile.rows) {
                for (v, sum) in sums.iter().enumerate() {
                    let unit = _mm512_mul_ps(
                        _mm512_set1_ps(tile.units[i]),
                        _mm512_loadu_ps(tile.weight_units.add(v * 16)),
                    );
                    _mm512_storeu_ps(
                        tile.output[i].add(v * 16),
                        _mm512_mul_ps(_mm512_cvtepi32_ps(*sum), unit),
                    );
                }
            }
        }
    }

    macro_rules! rows {
        ($($rows:literal),*) => { &[$(($rows, [products::<$rows, 1>, products::<$rows, 2>])),*] };
    }

    pub(super) static VNNI: FixedKernels<f32> =
        FixedKernels { lanes: 16, tiles: rows!(14, 12, 10, 8, 6, 4, 2), quantize: quantize_512 };
}
