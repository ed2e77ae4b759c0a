//! Products of transformed tiles in fixed point.
#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::fixed_weights::{FixedWeights, MOST};
use crate::aligned::Aligned;
use crate::element::Element;
use crate::simd::HalfSimd;
use crate::tile::TILE_VECTORS;

/// Most rows of a tile.
const MOST_ROWS: usize = 14;

/// Memory for transformed tiles as integers.
pub(crate) struct FixedRoom {
    /// `[frequency][tile][pairs of c_in, whole vectors][2]`.
    values: Aligned<i16>,
    /// What one is worth, `[frequency][tile]`.
    units: Aligned<f32>,
}

impl FixedRoom {
    pub(crate) fn empty() -> Self {
        Self { values: Aligned::zeroed(0), units: Aligned::zeroed(0) }
    }
}

/// One tile of products: `output[i][o] = units[i] * weight_units[o] * sum over k: input[i][k] * weights[k, o]`.
pub(crate) struct FixedTile<E> {
    pub(crate) input: [*const i16; MOST_ROWS],
    pub(crate) units: [f32; MOST_ROWS],
    /// Rows to store; the pointers of `input` beyond are valid but their sums are dropped.
    pub(crate) rows: usize,
    pub(crate) pairs: usize,
    pub(crate) weights: *const i16,
    pub(crate) weight_units: *const f32,
    pub(crate) output: [*mut E; MOST_ROWS],
}

pub(crate) type TileFn<E> = unsafe fn(&FixedTile<E>);

/// The kernels of one instruction set.
///
/// Invariant: only used on a processor that has the instructions of `tiles` and `quantize`.
pub(crate) struct FixedKernels<E: 'static> {
    pub(crate) lanes: usize,
    /// Rows, and the functions for one and two vectors of channels, by falling number of rows.
    pub(crate) tiles: &'static [(usize, [TileFn<E>; 2])],
    /// Scales values to integers; returns what one is worth.
    pub(crate) quantize: unsafe fn(&[E], f32, &mut [i16]) -> f32,
}

impl<E: Element> FixedKernels<E> {
    /// Takes a transformed tile in, number `tile` of `tiles`: `[frequency][pitch]` of which `c_in` channels count.
    pub(crate) fn load(
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
    pub(crate) fn multiply(
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
pub(crate) unsafe fn quantize<S: HalfSimd>(row: &[f32], bound: f32, to: &mut [i16]) -> f32 {
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
