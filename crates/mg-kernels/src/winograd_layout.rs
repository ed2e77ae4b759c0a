//! Where the tiles of a convolution by Winograd's transforms lie, and what they read.

use crate::map::Map;
use crate::winograd::filter::{LARGE, SMALL};
use crate::winograd::transform::TilePlace;
use crate::winograd_weights::Phase;
use crate::{ConvGeometry, Window};

/// Rows and columns of zeros that the last tiles read beyond a map of outputs of `side`.
pub(crate) fn tile_overhang(side: usize) -> usize {
    side.next_multiple_of(LARGE) - side
}

/// Rows and columns of zeros that tiles read after a map of `side` whose window has outputs of side `out`.
pub(crate) fn halo_after(window: &Window, side: usize, out: usize) -> usize {
    let (stride, taps) = (window.stride, window.kernel[0].div_ceil(window.stride));
    (stride * (out.next_multiple_of(LARGE) + taps - 1)).saturating_sub(side + window.before[0])
}

/// Tiles of one map of outputs of `side`.
pub(crate) fn tile_count(side: usize) -> usize {
    side.div_ceil(LARGE).pow(2)
}

/// Where the phases of a map begin: the first pixels of every stride in both directions.
pub(crate) fn phase_starts(map: &Map, stride: usize) -> Vec<usize> {
    (0..stride).flat_map(|y| (0..stride).map(move |x| y * map.row() + x * map.pitch)).collect()
}

/// The phases of a kernel: entries that are a stride apart.
pub(crate) fn phases(side: usize, stride: usize) -> Vec<Phase> {
    let phase = |first: usize| (first..side).step_by(stride).collect::<Vec<_>>();
    (0..stride).flat_map(|y| (0..stride).map(move |x| (phase(y), phase(x)))).collect()
}

/// Rows of the kernel whose gradients meet at this phase of the input, in the order of these.
pub(crate) fn entries(conv: &ConvGeometry, phase: usize) -> Vec<usize> {
    (0..conv.kernel).rev().filter(|k| conv.adjoint_offset(phase, *k).is_some()).collect()
}

/// Side of the tiles of a convolution with a stride, to maps of `side`.
pub(crate) fn tile_side(side: usize) -> usize {
    if side < 2 * LARGE { SMALL } else { LARGE }
}

/// Tiles of side `out` of outputs of so many rows and columns; `place(image, y, x)` gives the addresses of the input, the output and the gate.
pub(crate) fn places(
    block: usize,
    out: usize,
    (rows, columns): (usize, usize),
    place: impl Fn(usize, usize, usize) -> (usize, usize, usize),
) -> Vec<TilePlace> {
    let corners = (0..rows).step_by(out).flat_map(|y| (0..columns).step_by(out).map(move |x| (y, x)));
    let place = |(n, (y, x))| {
        let (input, output, gate) = place(n, y, x);
        TilePlace { input, output, gate, rows: out.min(rows - y), columns: out.min(columns - x) }
    };
    (0..block).flat_map(|n| corners.clone().map(move |corner| (n, corner))).map(place).collect()
}
