use plotters::coord::Shift;
use plotters::prelude::*;

use crate::drawing::{Drawn, INK, Medium, SCALE, text};

/// The names of a plot's lines, in rows above it, where they cover nothing.
pub(crate) struct Legend<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
}

/// A name and where it stands, in pixels from the legend's upper left corner.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry<'a> {
    name: &'a str,
    left: i32,
    row: i32,
}

const ROW: i32 = 18 * SCALE;
/// Length of the piece of a line before its name, and room after both.
const PIECE: i32 = 16 * SCALE;
const GAP: i32 = 5 * SCALE;
const BETWEEN: i32 = 18 * SCALE;

impl<'a> Legend<'a> {
    /// Row by row, each as full as `room` pixels allow; `length` is a name's in pixels.
    pub(crate) fn of(names: impl Iterator<Item = &'a str>, room: i32, length: impl Fn(&str) -> i32) -> Self {
        let (mut left, mut row) = (0, 0);
        let place = |name| {
            let needed = PIECE + GAP + length(name);
            if left > 0 && left + needed > room {
                (left, row) = (0, row + 1);
            }
            let entry = Entry { name, left, row };
            left += needed + BETWEEN;
            entry
        };
        Legend { entries: names.map(place).collect() }
    }

    /// Of all rows, in pixels.
    pub(crate) fn height(&self) -> i32 {
        self.entries.last().map_or(0, |last| (last.row + 1) * ROW) + ROW / 3
    }
}

impl Entry<'_> {
    /// Draws it in a legend whose corner is at `corner`.
    pub(crate) fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        corner: (i32, i32),
        colour: &RGBColor,
        medium: Medium,
    ) -> Drawn<B> {
        let (left, top) = (corner.0 + self.left, corner.1 + self.row * ROW);
        let middle = top + ROW / 2;
        let piece = vec![(left, middle), (left + PIECE, middle)];
        area.draw(&PathElement::new(piece, colour.stroke_width(2 * SCALE as u32)))?;
        area.draw_text(self.name, &text(12.0, &INK), (left + PIECE + GAP, top + 3 * SCALE + medium.drop()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fill_rows_and_never_meet() {
        let names = [
            "a",
            "bb",
            "a name of some length",
            "c",
            "d",
            "a name that is longer than all the room there is",
        ];
        let length = |name: &str| 14 * name.len() as i32;
        let room = 500;
        let legend = Legend::of(names.into_iter(), room, length);
        assert!(legend.entries.iter().map(|entry| entry.name).eq(names));
        for pair in legend.entries.windows(2) {
            let end = pair[0].left + PIECE + GAP + length(pair[0].name);
            assert!(pair[1].row > pair[0].row || pair[1].left >= end + BETWEEN, "{pair:?}");
            assert!(end <= room || pair[0].left == 0, "{pair:?}");
        }
        let last = &legend.entries[5];
        assert_eq!((last.left, last.row), (0, 3));
        assert!(legend.height() >= 4 * ROW);
        assert!(Legend::of(std::iter::empty(), room, length).height() < ROW);
    }
}
