//! Where the entries of a kernel lie around the pixel that reads them, forwards and in the adjoint.

use crate::map::Map;
use crate::tile::Segment;
use crate::{ConvGeometry, Result};

/// Kernel entry (ky, kx) and where its gradient lies, in rows and columns after a pixel's address.
pub(crate) struct Tap {
    pub(crate) ky: usize,
    pub(crate) kx: usize,
    pub(crate) y: usize,
    pub(crate) x: usize,
}

impl Tap {
    pub(crate) fn offset(&self, grad: &Map) -> usize {
        self.y * grad.row() + self.x * grad.pitch
    }
}

/// The kernel entries that reach phase (ry, rx), in the order of their addresses.
pub(crate) fn phase_taps(geometry: &ConvGeometry, ry: usize, rx: usize) -> Vec<Tap> {
    let low = geometry.adjoint_reach().0;
    let meet = |phase: usize| {
        let offsets =
            (0..geometry.kernel).rev().filter_map(move |k| Some((k, geometry.adjoint_offset(phase, k)?)));
        offsets.map(move |(k, offset)| (k, (offset - low) as usize))
    };
    meet(ry).flat_map(|(ky, y)| meet(rx).map(move |(kx, x)| Tap { ky, kx, y, x })).collect()
}

/// Where pixel (0, 0) of a phase begins to read: the halo holds every offset before the map, but when all offsets lie
/// after it there is a distance to go.
pub(crate) fn adjoint_start(geometry: &ConvGeometry, grad: &Map) -> usize {
    geometry.adjoint_reach().0.max(0) as usize * (grad.row() + grad.pitch)
}

/// `len` addresses that follow each other.
pub(crate) fn run_of(offset: usize, len: usize) -> std::ops::Range<usize> {
    offset..offset + len
}

/// Addresses as segments of whole groups, and for each place in them the number of the address it stands for; a place
/// that fills up a group stands for none.
pub(crate) fn runs(offsets: &[usize], group: usize) -> (Vec<Segment>, Vec<Option<usize>>) {
    let (mut segments, mut values, mut done) = (vec![], vec![], 0);
    for run in offsets.chunk_by(|a, b| a + 1 == *b) {
        segments.push(Segment { offset: run[0], len: run.len().next_multiple_of(group) });
        values.extend((done..done + run.len()).map(Some));
        values.resize(values.len().next_multiple_of(group), None);
        done += run.len();
    }
    (segments, values)
}

/// The gradient's halo for the input adjoint with an input of `side`.
///
/// # Errors
/// Those of [`ConvGeometry::out_side`].
pub(crate) fn adjoint_halo(geometry: &ConvGeometry, side: usize) -> Result<(usize, usize)> {
    let (low, high) = geometry.adjoint_reach();
    let last = side.div_ceil(geometry.stride) as isize - 1 + high;
    let after = last - (geometry.out_side(side)? as isize - 1);
    Ok(((-low).max(0) as usize, after.max(0) as usize))
}
