use crate::map::Map;
use crate::simd::{Simd, Unit};

/// Maps that a pass walks through pixel by pixel: `images` of them, starting with image `first`.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) first: usize,
    pub(crate) images: usize,
}

impl Walk {
    pub(super) fn rows(self, side: usize) -> impl Iterator<Item = (usize, usize)> {
        (self.first..self.first + self.images).flat_map(move |n| (0..side).map(move |y| (n, y)))
    }
}

/// Whole vectors that hold a map's channels.
pub(super) fn width<U: Unit>(map: &Map) -> usize {
    map.channels.next_multiple_of(U::Simd::LANES)
}

/// Checks that a pass stays inside a map of `len` elements.
pub(super) fn check<U: Unit>(walk: Walk, map: &Map, len: usize) {
    assert!(width::<U>(map) <= map.pitch || map.pitch == map.channels, "pixels are whole vectors");
    let beyond = (map.first + width::<U>(map)).saturating_sub(map.pitch);
    assert!((walk.first + walk.images) * map.image() + beyond <= len, "a pass would leave its map");
}
