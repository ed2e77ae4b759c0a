#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::width::width_of;
use crate::Window;
use crate::element::Element;
use crate::map::Map;
use crate::simd::{ElemOf, Simd, StoredOf, Unit};

/// What a pooling makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    Max,
    /// Of the places inside the map.
    Mean,
}

/// A pooling; places outside the map do not count.
pub(crate) struct Pool {
    pub(crate) window: Window,
    pub(crate) pooling: Pooling,
    /// Of the input and of the output.
    pub(crate) maps: (Map, Map),
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn pool<U: Unit>(pass: &Pool, from: &[StoredOf<U>], to: &mut [StoredOf<U>]) {
    let (input, output) = (&pass.maps.0, &pass.maps.1);
    let width = width_of::<U>(input, from.len());
    assert_eq!(width, width_of::<U>(output, to.len()));
    // The part of the window of output `at` that lies inside the map.
    let inside = |d: usize, at: usize| {
        let start = at * pass.window.stride;
        let end = (start + pass.window.kernel[d]).saturating_sub(pass.window.before[d]).min(input.side);
        start.saturating_sub(pass.window.before[d])..end
    };
    for (y, x) in output.pixels() {
        let (rows, columns) = (inside(0, y), inside(1, x));
        assert!(!rows.is_empty() && !columns.is_empty(), "a window lies outside its map");
        let share = ElemOf::<U>::of(1.0 / (rows.len() * columns.len()) as f64);
        let first = input.at(0, rows.start, columns.start);
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: `rows` and `columns` lie inside the map, and the output inside its own, both checked above.
            unsafe {
                let from = from.as_ptr().add(first + c);
                let mut total = U::load(from);
                for ky in 0..rows.len() {
                    let row = from.add(ky * input.row());
                    for kx in usize::from(ky == 0)..columns.len() {
                        let value = U::load(row.add(kx * input.pitch));
                        total = match pass.pooling {
                            Pooling::Max => U::Simd::max(total, value),
                            Pooling::Mean => U::Simd::add(total, value),
                        };
                    }
                }
                if pass.pooling == Pooling::Mean {
                    total = U::Simd::mul(total, U::Simd::splat(share));
                }
                U::store(to.as_mut_ptr().add(output.at(0, y, x) + c), total);
            }
        }
    }
}
