//! Products of transformed tiles in fixed point, for networks that compute in bf16.
//!
//! bf16 is too short for transformed tiles: the transforms of F(4x4, 3x3) enlarge rounding errors about five times.
//! Processors that multiply pairs of bf16 multiply pairs of 16-bit integers as fast, and sum them exactly. So a row of
//! transformed values `x` (one tile, one frequency, all channels) is scaled to integers, and so is a column of weights
//! `w`; both are scaled back after the sum. `sum |x| max |w| < 2^31` in integers makes an overflow impossible, and
//! leaves 12 to 15 bits where bf16 has 8: in all, an error like that of a direct convolution in bf16.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::element::Element;

/// Bound of every sum: 2^31 less what rounding adds to the terms, at most half of the largest weight for each channel.
pub(crate) const BOUND: f32 = 2_140_000_000.0;
/// Largest integer.
pub(crate) const MOST: f32 = 32_767.0;

/// The largest weight in integers. With normally distributed channels, whose greatest is about 3 deviations and whose
/// mean size is 0.8, this makes the rounding errors of inputs and weights equal.
fn most_weight(c_in: usize) -> f32 {
    (3.0 / 0.8 * BOUND / c_in as f32).sqrt().min(MOST).floor()
}

/// Weights `[frequency][c_in][c_out]` as integers, with what one is worth.
pub(crate) struct FixedWeights {
    /// `[blocks of TILE_VECTORS vectors][frequency][pairs of c_in][vectors of the block][2]`.
    pub(crate) values: Aligned<i16>,
    /// `[blocks of TILE_VECTORS vectors][frequency][channels of the block]`.
    pub(crate) units: Aligned<f32>,
    pub(crate) pairs: usize,
    pub(crate) frequencies: usize,
    /// Bound of the sum of a row's sizes, in integers.
    pub(crate) row_bound: f32,
}

impl FixedWeights {
    /// For products over `depth` with so many channels, in blocks of `full` of them. `block(number, to)` writes a block's weights
    /// `[frequency][depth][channel]`; `integers(weights, limit, units, values)` makes integers up to a limit of those of a
    /// frequency, and says what one is worth in each channel.
    pub(crate) fn new<E: Element>(
        full: usize,
        (depth, channels): (usize, usize),
        frequencies: usize,
        block: impl Fn(usize, &mut [E]) + Sync,
        integers: impl Fn(&[E], f32, &mut [f32], &mut [i16]) + Sync,
    ) -> Self {
        let (pairs, limit) = (depth.div_ceil(2), most_weight(depth));
        let mut values = Aligned::zeroed(frequencies * 2 * pairs * channels);
        let mut units = Aligned::<f32>::zeroed(frequencies * channels);
        let blocks = values.par_chunks_mut(frequencies * 2 * pairs * full);
        let blocks = blocks.zip(units.par_chunks_mut(frequencies * full)).enumerate();
        blocks.for_each_init(Aligned::default, |weights, (number, (values, units))| {
            let width = units.len() / frequencies;
            weights.grow(frequencies * depth * width);
            block(number, &mut weights[..frequencies * depth * width]);
            let rows = weights.chunks_exact(depth * width).zip(units.chunks_exact_mut(width));
            for ((weights, units), values) in rows.zip(values.chunks_exact_mut(2 * pairs * width)) {
                integers(weights, limit, units, values);
            }
        });
        Self { values, units, pairs, frequencies, row_bound: BOUND / limit }
    }
}
