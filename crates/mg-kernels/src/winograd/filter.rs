//! The numbers of F(4x4, 3x3), and of the same with smaller tiles or two taps in rows or columns.

use crate::tile::TILE_VECTORS;

/// Side of a large tile of outputs.
pub(crate) const LARGE: usize = 4;
/// Side of a small one, for small maps: less is spared, but there are fewer transformed weights to read.
pub(crate) const SMALL: usize = 2;
/// Points of the line on which kernels are evaluated.
pub(crate) const POINTS: usize = 6;
/// Vectors of output channels taken through all frequencies at once, so that a transformed input is read that much
/// less often.
pub(crate) const CHUNK: usize = 2 * TILE_VECTORS;

/// The points are 0, +-A, +-B and infinity.
pub(crate) const A: f64 = 0.75;
pub(crate) const B: f64 = 1.5;

/// Numbers of the points of a line of this size: of as many inputs as an outputs' line of `out(size)` reads.
pub(crate) const fn points(size: usize) -> &'static [usize] {
    match size {
        3 => &[0, 1, 5],
        4 => &[0, 1, 2, 5],
        5 => &[0, 1, 2, 3, 5],
        _ => &[0, 1, 2, 3, 4, 5],
    }
}

/// Outputs of a line of this size.
pub(crate) const fn out(size: usize) -> usize {
    if size < 5 { SMALL } else { LARGE }
}

/// Taps of the kernels that a line of this size serves: two or three.
pub(crate) const fn taps(size: usize) -> usize {
    size + 1 - out(size)
}

/// What a row of a kernel is at the points of a line of this size: of each point and tap, a factor, so that the row's polynomial
/// at a point is divided by the product of the point's distances from the others.
pub(crate) const fn evaluation(size: usize) -> [[f64; 3]; POINTS] {
    let (at, finite, taps) = ([0.0, A, -A, B, -B], points(size), taps(size));
    let mut factors = [[0.0; 3]; POINTS];
    factors[POINTS - 1][taps - 1] = 1.0;
    let mut i = 0;
    while i + 1 < finite.len() {
        let (point, mut power, mut j) = (at[finite[i]], 1.0, 0);
        while j + 1 < finite.len() {
            if i != j {
                power /= point - at[finite[j]];
            }
            j += 1;
        }
        let mut tap = 0;
        while tap < taps {
            factors[finite[i]][tap] = power;
            power *= point;
            tap += 1;
        }
        i += 1;
    }
    factors
}

/// Rows and columns of a transformed tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Sizes {
    /// For tiles of outputs of side `out` and kernels of so many rows and columns.
    pub(crate) fn of(out: usize, (rows, columns): (usize, usize)) -> Self {
        Self { rows: out + rows - 1, columns: out + columns - 1 }
    }

    /// Values of a transformed tile: independent products of matrices.
    pub(crate) fn frequencies(self) -> usize {
        self.rows * self.columns
    }

    /// Side of a tile of outputs.
    pub(crate) fn out(self) -> usize {
        out(self.rows)
    }
}
