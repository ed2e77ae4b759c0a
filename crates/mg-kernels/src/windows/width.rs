use crate::map::Map;
use crate::simd::{Simd, Unit};

/// Whole vectors that hold a map's channels, and a check that reads and writes of them stay inside `len` elements.
pub(super) fn width_of<U: Unit>(map: &Map, len: usize) -> usize {
    let width = map.channels.next_multiple_of(U::Simd::LANES);
    assert!(map.first + width <= map.pitch && map.len(1) <= len, "a pass would leave its map");
    width
}
