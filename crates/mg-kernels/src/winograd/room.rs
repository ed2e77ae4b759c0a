use super::fixed::FixedRoom;
use crate::aligned::Aligned;
use crate::element::Element;

/// Memory for transformed tiles.
pub(crate) struct Room<E> {
    /// `[tile][frequency][phase, c_in]`.
    pub(crate) input: Aligned<E>,
    /// `[tile][frequency][channels of a chunk]`.
    pub(crate) output: Aligned<E>,
    pub(crate) fixed: FixedRoom,
}

impl<E: Element> Room<E> {
    pub(crate) fn empty() -> Self {
        Self { input: Aligned::zeroed(0), output: Aligned::zeroed(0), fixed: FixedRoom::empty() }
    }
}
