#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::filter::{CHUNK, LARGE, POINTS, Sizes, out, points};
use super::lines::{Gradients, Inputs, Line, back_line};
use crate::aligned::Number;
use crate::finish::{Finish, finished};
use crate::format::Format;
use crate::map::Map;
use crate::share::Shared;
use crate::simd::{ElemOf, Simd, StoredOf, Unit};

/// Every tile at all frequencies: from a map to vectors of channels.
pub(crate) struct Transform<'a> {
    pub(crate) tiles: &'a [TilePlace],
    pub(crate) steps: Steps,
    pub(crate) channels: usize,
    pub(crate) to: Spacing,
    pub(crate) sizes: Sizes,
    pub(crate) of: Side,
}

/// Elements from a transformed tile to the next one, and from one of its frequencies to the next.
#[derive(Clone, Copy)]
pub(crate) struct Spacing {
    pub(crate) tile: usize,
    pub(crate) frequency: usize,
}

/// What tiles are of.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// A convolution's input: `B^T d B`.
    Input,
    /// The gradient of its output, as many pixels as a tile of outputs has: the adjoint of the output's transform.
    Gradient,
}

/// `A^T m A` of every tile, finished: from `[tile][frequency][CHUNK vectors]` to `vectors` vectors of channels
/// beginning with `from` of a map.
pub(crate) struct Back<'a, P: Format> {
    pub(crate) tiles: &'a [TilePlace],
    pub(crate) steps: Steps,
    pub(crate) sizes: Sizes,
    pub(crate) from: usize,
    pub(crate) vectors: usize,
    pub(crate) bias: &'a [P::Elem],
    pub(crate) finish: Finish<P::Elem>,
    pub(crate) gate: Option<(&'a [P::Stored], Steps)>,
}

/// Where a tile of outputs is read and written.
#[derive(Clone, Copy)]
pub(crate) struct TilePlace {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) gate: usize,
    /// Rows and columns inside the map.
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Elements from a pixel of a tile to the one below it and to the one beside it.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) row: usize,
    pub(crate) pixel: usize,
}

impl Steps {
    /// For tiles of every `stride`th pixel of a map.
    pub(crate) fn of(map: &Map, stride: usize) -> Self {
        Self { row: stride * map.row(), pixel: stride * map.pitch }
    }

    /// From the first pixel of so many rows and columns to the last.
    fn across(self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row + (columns - 1) * self.pixel
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn transform<U: Unit>(pass: &Transform<'_>, from: &[StoredOf<U>], to: &mut [ElemOf<U>]) {
    // SAFETY: the caller's contract.
    unsafe {
        match (pass.of, pass.sizes.rows, pass.sizes.columns) {
            (Side::Input, 3, 3) => transform_by::<U, Inputs<3>, Inputs<3>>(pass, from, to),
            (Side::Input, 3, _) => transform_by::<U, Inputs<3>, Inputs<4>>(pass, from, to),
            (Side::Input, 4, 3) => transform_by::<U, Inputs<4>, Inputs<3>>(pass, from, to),
            (Side::Input, 4, _) => transform_by::<U, Inputs<4>, Inputs<4>>(pass, from, to),
            (Side::Input, 5, 5) => transform_by::<U, Inputs<5>, Inputs<5>>(pass, from, to),
            (Side::Input, 5, _) => transform_by::<U, Inputs<5>, Inputs<6>>(pass, from, to),
            (Side::Input, _, 5) => transform_by::<U, Inputs<6>, Inputs<5>>(pass, from, to),
            (Side::Input, _, _) => transform_by::<U, Inputs<6>, Inputs<6>>(pass, from, to),
            (Side::Gradient, 3, _) => transform_by::<U, Gradients<3>, Gradients<3>>(pass, from, to),
            (Side::Gradient, 4, _) => transform_by::<U, Gradients<4>, Gradients<4>>(pass, from, to),
            (Side::Gradient, 5, _) => transform_by::<U, Gradients<5>, Gradients<5>>(pass, from, to),
            (Side::Gradient, _, _) => transform_by::<U, Gradients<6>, Gradients<6>>(pass, from, to),
        }
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
unsafe fn transform_by<U: Unit, R: Line, C: Line>(
    pass: &Transform<'_>,
    from: &[StoredOf<U>],
    to: &mut [ElemOf<U>],
) {
    let (Steps { row, pixel }, rows, columns) = (pass.steps, points(R::SIZE), points(C::SIZE));
    let (Spacing { tile: each, frequency: step }, frequencies) = (pass.to, rows.len() * columns.len());
    let width = pass.channels.next_multiple_of(U::Simd::LANES);
    let reach = pass.steps.across(R::READS, C::READS) + width;
    assert_eq!(pass.sizes, Sizes { rows: R::SIZE, columns: C::SIZE });
    assert!(pass.tiles.iter().all(|tile| tile.input + reach <= from.len()), "a tile would leave its map");
    assert!(width <= each.min(step) && width <= pixel);
    let last = pass.tiles.len().saturating_sub(1) * each + (frequencies - 1) * step;
    assert!(pass.tiles.is_empty() || last + width <= to.len(), "tiles have no room");
    for (t, tile) in pass.tiles.iter().enumerate() {
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all tiles lie inside their maps, checked above.
            unsafe {
                let from = from.as_ptr().add(tile.input + c);
                let to = to.as_mut_ptr().add(t * each + c);
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let mut half = [[zero; POINTS]; POINTS]; // [column][point]
                for (x, column) in half.iter_mut().enumerate().take(C::READS) {
                    let mut d = [zero; POINTS];
                    for (y, d) in d.iter_mut().enumerate().take(R::READS) {
                        *d = U::load(from.add(y * row + x * pixel));
                    }
                    *column = R::at_points::<U::Simd>(d);
                }
                for (i, y) in rows.iter().enumerate() {
                    let mut d = [zero; POINTS];
                    for (d, column) in d.iter_mut().zip(&half) {
                        *d = column[*y];
                    }
                    let line = C::at_points::<U::Simd>(d);
                    for (j, x) in columns.iter().enumerate() {
                        U::Simd::store(to.add((i * columns.len() + j) * step), line[*x]);
                    }
                }
            }
        }
    }
}

/// Checks that a pass reads and writes inside its buffers, of `from` and `to` elements, and its gate.
fn check_output<U: Unit>(pass: &Back<'_, U::Format>, from: usize, to: usize) {
    let end = pass.from + pass.vectors * U::Simd::LANES;
    let inside = |at: usize, tile: &TilePlace, steps: Steps, len: usize| {
        at + steps.across(tile.rows, tile.columns) + end <= len
    };
    assert!(
        pass.tiles.iter().all(|tile| inside(tile.output, tile, pass.steps, to)),
        "a tile would leave its map"
    );
    let side = pass.sizes.out();
    assert!(pass.tiles.iter().all(|tile| tile.rows.max(tile.columns) <= side), "a tile is too large");
    assert!(
        pass.tiles.len() * pass.sizes.frequencies() * CHUNK * U::Simd::LANES <= from
            && pass.vectors <= CHUNK
            && pass.bias.len() >= pass.vectors * U::Simd::LANES
    );
    if let Some((values, steps)) = pass.gate {
        assert!(
            pass.tiles.iter().all(|tile| inside(tile.gate, tile, steps, values.len())),
            "a gate is too short"
        );
    }
}

/// # Safety
/// The processor has `U`, and no other task writes these channels of `to`.
#[inline(always)]
pub(crate) unsafe fn transform_output<U: Unit>(
    pass: &Back<'_, U::Format>,
    from: &[ElemOf<U>],
    to: Shared<'_, StoredOf<U>>,
) {
    // SAFETY: the caller's contract.
    unsafe {
        match (pass.sizes.rows, pass.sizes.columns) {
            (3, 3) => transform_output_by::<U, 3, 3>(pass, from, to),
            (3, _) => transform_output_by::<U, 3, 4>(pass, from, to),
            (4, 3) => transform_output_by::<U, 4, 3>(pass, from, to),
            (4, _) => transform_output_by::<U, 4, 4>(pass, from, to),
            (5, 5) => transform_output_by::<U, 5, 5>(pass, from, to),
            (5, _) => transform_output_by::<U, 5, 6>(pass, from, to),
            (_, 5) => transform_output_by::<U, 6, 5>(pass, from, to),
            (_, _) => transform_output_by::<U, 6, 6>(pass, from, to),
        }
    }
}

/// # Safety
/// As for [`transform_output`].
#[inline(always)]
unsafe fn transform_output_by<U: Unit, const ROWS: usize, const COLUMNS: usize>(
    pass: &Back<'_, U::Format>,
    from: &[ElemOf<U>],
    to: Shared<'_, StoredOf<U>>,
) {
    let (Steps { row, pixel }, width) = (pass.steps, CHUNK * U::Simd::LANES);
    let (rows, columns) = (points(ROWS), points(COLUMNS));
    assert_eq!(pass.sizes, Sizes { rows: ROWS, columns: COLUMNS });
    check_output::<U>(pass, from.len(), to.len());
    for (t, tile) in pass.tiles.iter().enumerate() {
        for v in 0..pass.vectors {
            let c = v * U::Simd::LANES;
            // SAFETY: all tiles lie inside their maps and buffers, checked above.
            unsafe {
                let from = from.as_ptr().add(t * rows.len() * columns.len() * width + c);
                let to = to.at(tile.output + pass.from + c);
                let bias = U::Simd::load(pass.bias.as_ptr().add(c));
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let mut half = [[zero; LARGE]; POINTS]; // [column point][row]
                for (j, x) in columns.iter().enumerate() {
                    let mut m = [zero; POINTS];
                    for (i, y) in rows.iter().enumerate() {
                        m[*y] = U::Simd::load(from.add((i * columns.len() + j) * width));
                    }
                    half[*x] = back_line::<U::Simd, ROWS>(m);
                }
                for y in 0..tile.rows {
                    let mut m = [zero; POINTS];
                    for (m, column) in m.iter_mut().zip(&half) {
                        *m = column[y];
                    }
                    let line = back_line::<U::Simd, COLUMNS>(m);
                    for (x, value) in line.into_iter().take(out(COLUMNS)).enumerate().take(tile.columns) {
                        let value = U::Simd::add(value, bias);
                        let value = finished::<U>(pass.finish, value, || match pass.gate {
                            Some((values, steps)) => {
                                let at = tile.gate + y * steps.row + x * steps.pixel + pass.from + c;
                                U::load(values.as_ptr().add(at))
                            }
                            None => value,
                        });
                        U::store(to.add(y * row + x * pixel), value);
                    }
                }
            }
        }
    }
}
