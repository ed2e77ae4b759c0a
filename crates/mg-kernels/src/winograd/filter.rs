//! The numbers of F(4x4, 3x3).

use crate::tile::TILE_VECTORS;

/// Side of a tile of outputs.
pub(crate) const OUT: usize = 4;
/// Side of the tile of inputs it needs, and of the transformed tile.
pub(crate) const IN: usize = 6;
/// Values of a transformed tile: independent products of matrices.
pub(crate) const FREQUENCIES: usize = IN * IN;
/// Vectors of output channels taken through all frequencies at once, so that a transformed input is read that much
/// less often.
pub(crate) const CHUNK: usize = 2 * TILE_VECTORS;

/// The positive finite points.
pub(crate) const A: f64 = 0.75;
pub(crate) const B: f64 = 1.5;
