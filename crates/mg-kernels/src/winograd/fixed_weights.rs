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
use crate::tile::TILE_VECTORS;

/// Bound of every sum: 2^31 less what rounding adds to the terms, at most half of the largest weight for each channel.
pub(crate) const BOUND: f32 = 2_140_000_000.0;
/// Largest integer.
pub(crate) const MOST: f32 = 32_767.0;

/// The largest weight in integers. With normally distributed channels, whose greatest is about 3 deviations and whose
/// mean size is 0.8, this makes the rounding errors of inputs and weights equal.
fn most_weight(c_in: usize) -> f32 {
    (3.0 / 0.8 * BOUND / c_in as f32).sqrt().min(MOST).floor()
}

/// The nearest integer, ties to even, of a number that fits: adding 3/2 2^23 moves it to the last bits.
fn nearest(v: f32) -> i16 {
    (v + 12_582_912.0).to_bits() as i16
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
    /// `weights` are `[blocks of TILE_VECTORS vectors][frequency][c_in][channels of the block]`.
    pub(crate) fn new<E: Element>(weights: &[E], lanes: usize, c_in: usize, frequencies: usize) -> Self {
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
