//! Products of transformed tiles in fixed point.
#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::fixed_weights::FixedWeights;
use crate::aligned::Aligned;
use crate::element::Element;
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
    /// Scales columns of weights to integers up to a limit, and says what one is worth in each.
    pub(crate) quantize_weights: unsafe fn(&[E], f32, &mut [f32], &mut [i16]),
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

    /// Weights `[depth][channels]` as integers up to `limit`, `[pairs of depth][channels][2]`, and what one is worth in each channel.
    pub(crate) fn take_weights(&self, weights: &[E], limit: f32, units: &mut [f32], values: &mut [i16]) {
        // SAFETY: the processor has the kernels (the invariant); they check their bounds.
        unsafe { (self.quantize_weights)(weights, limit, units, values) }
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
            let each = (tiles - done).div_ceil((tiles - done).div_ceil(self.tiles[0].0));
            let size = self.tiles.iter().rev().find(|size| size.0 >= each).unwrap_or(&self.tiles[0]);
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
