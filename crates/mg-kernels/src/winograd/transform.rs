#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::filter::{A, B, CHUNK, FREQUENCIES, IN, OUT};
use crate::aligned::Number;
use crate::element::Element;
use crate::finish::{Finish, finished};
use crate::format::Format;
use crate::map::Map;
use crate::share::Shared;
use crate::simd::{ElemOf, Simd, StoredOf, Unit};

/// `B^T d B` of every tile: from `map` to `[tile][frequency][pitch]`.
pub(crate) struct Transform<'a> {
    pub(crate) tiles: &'a [TilePlace],
    pub(crate) map: &'a Map,
    pub(crate) channels: usize,
    pub(crate) pitch: usize,
}

/// `A^T m A` of every tile, finished: from `[tile][frequency][CHUNK vectors]` to `vectors` vectors of channels
/// beginning with `from` of `map`.
pub(crate) struct Back<'a, P: Format> {
    pub(crate) tiles: &'a [TilePlace],
    pub(crate) map: &'a Map,
    pub(crate) from: usize,
    pub(crate) vectors: usize,
    pub(crate) bias: &'a [P::Elem],
    pub(crate) finish: Finish<P::Elem>,
    pub(crate) gate: Option<&'a [P::Stored]>,
    pub(crate) gate_map: Option<&'a Map>,
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

#[inline(always)]
unsafe fn forward_line<S: Simd>(d: [S::Vector; IN]) -> [S::Vector; IN] {
    // SAFETY: the trait's contract.
    unsafe {
        let constant = |c: f64| S::splat(S::Elem::of(c));
        let (even_a, even_b) =
            (S::mul_add(d[2], constant(-B * B), d[4]), S::mul_add(d[2], constant(-A * A), d[4]));
        let odd_a = S::mul(S::mul_add(d[1], constant(-B * B), d[3]), constant(A));
        let odd_b = S::mul(S::mul_add(d[1], constant(-A * A), d[3]), constant(B));
        let ends = |x: S::Vector, y: S::Vector, z: S::Vector| {
            S::mul_add(x, constant(A * A * B * B), S::mul_add(y, constant(-A * A - B * B), z))
        };
        [
            ends(d[0], d[2], d[4]),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            ends(d[1], d[3], d[5]),
        ]
    }
}

#[inline(always)]
unsafe fn back_line<S: Simd>(m: [S::Vector; IN]) -> [S::Vector; OUT] {
    // SAFETY: the trait's contract.
    unsafe {
        let constant = |c: f64| S::splat(S::Elem::of(c));
        let (sum_a, gap_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_b, gap_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        let mix =
            |a: S::Vector, p: f64, b: S::Vector, q: f64| S::mul_add(a, constant(p), S::mul(b, constant(q)));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            mix(gap_a, A, gap_b, B),
            mix(sum_a, A * A, sum_b, B * B),
            S::add(mix(gap_a, A * A * A, gap_b, B * B * B), m[5]),
        ]
    }
}

/// The adjoint of [`back_line`].
#[inline(always)]
unsafe fn gradient_line<S: Simd>(y: [S::Vector; OUT]) -> [S::Vector; IN] {
    // SAFETY: the trait's contract.
    unsafe {
        let at = |p: f64| {
            let constant = |c: f64| S::splat(S::Elem::of(c));
            let even = S::mul_add(y[2], constant(p * p), y[0]);
            let odd = S::mul_add(y[3], constant(p * p * p), S::mul(y[1], constant(p)));
            (S::add(even, odd), S::sub(even, odd))
        };
        let ((plus_a, minus_a), (plus_b, minus_b)) = (at(A), at(B));
        [y[0], plus_a, minus_a, plus_b, minus_b, y[3]]
    }
}

/// The adjoint of the output's transform, of tiles of `OUT x OUT` pixels that begin at `TilePlace::input`.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn transform_gradient<U: Unit>(
    pass: &Transform<'_>,
    from: &[StoredOf<U>],
    to: &mut [ElemOf<U>],
) {
    let (row, pixel) = (pass.map.row(), pass.map.pitch);
    let width = pass.channels.next_multiple_of(U::Simd::LANES);
    let reach = (OUT - 1) * (row + pixel) + width;
    assert!(pass.tiles.iter().all(|tile| tile.input + reach <= from.len()), "a tile would leave its map");
    assert!(pass.tiles.len() * FREQUENCIES * pass.pitch <= to.len() && width <= pass.pitch && width <= pixel);
    for (t, tile) in pass.tiles.iter().enumerate() {
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all tiles lie inside their maps, checked above.
            unsafe {
                let from = from.as_ptr().add(tile.input + c);
                let to = to.as_mut_ptr().add(t * FREQUENCIES * pass.pitch + c);
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let mut half = [[zero; IN]; OUT]; // [column][frequency]
                for (x, column) in half.iter_mut().enumerate() {
                    let mut y = [zero; OUT];
                    for (row_number, y) in y.iter_mut().enumerate() {
                        *y = U::load(from.add(row_number * row + x * pixel));
                    }
                    *column = gradient_line::<U::Simd>(y);
                }
                for frequency in 0..IN {
                    let mut y = [zero; OUT];
                    for (y, column) in y.iter_mut().zip(&half) {
                        *y = column[frequency];
                    }
                    for (x, value) in gradient_line::<U::Simd>(y).into_iter().enumerate() {
                        U::Simd::store(to.add((frequency * IN + x) * pass.pitch), value);
                    }
                }
            }
        }
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn transform_input<U: Unit>(
    pass: &Transform<'_>,
    from: &[StoredOf<U>],
    to: &mut [ElemOf<U>],
) {
    let (row, pixel) = (pass.map.row(), pass.map.pitch);
    let width = pass.channels.next_multiple_of(U::Simd::LANES);
    let reach = (IN - 1) * (row + pixel) + width;
    assert!(pass.tiles.iter().all(|tile| tile.input + reach <= from.len()), "a tile would leave its map");
    assert!(pass.tiles.len() * FREQUENCIES * pass.pitch <= to.len() && width <= pass.pitch && width <= pixel);
    for (t, tile) in pass.tiles.iter().enumerate() {
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all tiles lie inside their maps, checked above.
            unsafe {
                let from = from.as_ptr().add(tile.input + c);
                let to = to.as_mut_ptr().add(t * FREQUENCIES * pass.pitch + c);
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let mut half = [[zero; IN]; IN]; // [column][frequency]
                for (x, column) in half.iter_mut().enumerate() {
                    let mut d = [zero; IN];
                    for (y, d) in d.iter_mut().enumerate() {
                        *d = U::load(from.add(y * row + x * pixel));
                    }
                    *column = forward_line::<U::Simd>(d);
                }
                for y in 0..IN {
                    let mut d = [zero; IN];
                    for (d, column) in d.iter_mut().zip(&half) {
                        *d = column[y];
                    }
                    for (x, value) in forward_line::<U::Simd>(d).into_iter().enumerate() {
                        U::Simd::store(to.add((y * IN + x) * pass.pitch), value);
                    }
                }
            }
        }
    }
}

/// Checks that a pass reads and writes inside its buffers, of `from` and `to` elements, and its gate.
fn check_output<U: Unit>(pass: &Back<'_, U::Format>, from: usize, to: usize) {
    let end = pass.from + pass.vectors * U::Simd::LANES;
    let inside = |at: usize, tile: &TilePlace, map: &Map, len: usize| {
        at + (tile.rows - 1) * map.row() + (tile.columns - 1) * map.pitch + end <= len
    };
    assert!(
        pass.tiles.iter().all(|tile| inside(tile.output, tile, pass.map, to)),
        "a tile would leave its map"
    );
    assert!(
        pass.tiles.len() * FREQUENCIES * CHUNK * U::Simd::LANES <= from
            && pass.bias.len() >= pass.vectors * U::Simd::LANES
    );
    if let Some((values, map)) = pass.gate.zip(pass.gate_map) {
        assert!(
            pass.tiles.iter().all(|tile| inside(tile.gate, tile, map, values.len())),
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
    let (row, pixel, width) = (pass.map.row(), pass.map.pitch, CHUNK * U::Simd::LANES);
    check_output::<U>(pass, from.len(), to.len());
    let gate = pass.gate.zip(pass.gate_map);
    for (t, tile) in pass.tiles.iter().enumerate() {
        for v in 0..pass.vectors {
            let c = v * U::Simd::LANES;
            // SAFETY: all tiles lie inside their maps and buffers, checked above.
            unsafe {
                let from = from.as_ptr().add(t * FREQUENCIES * width + c);
                let to = to.at(tile.output + pass.from + c);
                let bias = U::Simd::load(pass.bias.as_ptr().add(c));
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let mut half = [[zero; OUT]; IN]; // [column frequency][row]
                for (x, column) in half.iter_mut().enumerate() {
                    let mut m = [zero; IN];
                    for (y, m) in m.iter_mut().enumerate() {
                        *m = U::Simd::load(from.add((y * IN + x) * width));
                    }
                    *column = back_line::<U::Simd>(m);
                }
                for y in 0..tile.rows {
                    let mut m = [zero; IN];
                    for (m, column) in m.iter_mut().zip(&half) {
                        *m = column[y];
                    }
                    let line = back_line::<U::Simd>(m);
                    for (x, value) in line.into_iter().enumerate().take(tile.columns) {
                        let value = U::Simd::add(value, bias);
                        let value = finished::<U>(pass.finish, value, || match gate {
                            Some((values, map)) => {
                                let at = tile.gate + y * map.row() + x * map.pitch + pass.from + c;
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
