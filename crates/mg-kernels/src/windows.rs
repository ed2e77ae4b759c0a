//! Inner loops over windows of single channels: depthwise convolutions and poolings.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::Window;
use crate::element::Element;
use crate::finish::{Finish, finished};
use crate::format::Format;
use crate::map::Map;
use crate::simd::{ElemOf, Simd, StoredOf, Unit};

/// Outputs of a row that are summed together.
const TOGETHER: usize = 7;

/// A convolution of every channel with a window of its own.
pub(crate) struct Depthwise<'a, P: Format> {
    pub(crate) window: Window,
    /// `[rows * columns, channels]`, padded to whole vectors.
    pub(crate) weights: &'a [P::Elem],
    pub(crate) bias: &'a [P::Elem],
    pub(crate) finish: Finish<P::Elem>,
    /// Of the input, whose halo is zero and holds all windows, and of the output.
    pub(crate) maps: (Map, Map),
}

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

/// Whole vectors that hold a map's channels, and a check that reads and writes of them stay inside `len` elements.
fn width<U: Unit>(map: &Map, len: usize) -> usize {
    let width = map.channels.next_multiple_of(U::Simd::LANES);
    assert!(map.first + width <= map.pitch && map.len(1) <= len, "a pass would leave its map");
    width
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn depthwise<U: Unit>(
    pass: &Depthwise<U::Format>,
    from: &[StoredOf<U>],
    to: &mut [StoredOf<U>],
) {
    let (input, output) = (&pass.maps.0, &pass.maps.1);
    let width = width::<U>(input, from.len());
    assert_eq!(width, self::width::<U>(output, to.len()));
    let Window { stride, before, kernel, .. } = pass.window;
    let reach = |d: usize| (output.side - 1) * stride + input.before + kernel[d] - before[d];
    assert!(before[0].max(before[1]) <= input.before && reach(0).max(reach(1)) <= input.padded);
    assert!(pass.weights.len() >= pass.window.area() * width && pass.bias.len() >= width);
    for y in 0..output.side {
        let mut x = 0;
        while x < output.side {
            let at = (input.window(&pass.window, 0, y, x), output.at(0, y, x));
            // SAFETY: windows and outputs of the row lie inside their maps, checked above.
            x += unsafe {
                match output.side - x {
                    left if left >= TOGETHER => run_of::<U, TOGETHER>(pass, width, from, to, at),
                    left if left >= 4 => run_of::<U, 4>(pass, width, from, to, at),
                    _ => run_of::<U, 1>(pass, width, from, to, at),
                }
            };
        }
    }
}

/// `N` outputs beside each other, whose first window and output begin at `at`; returns `N`.
#[inline(always)]
unsafe fn run_of<U: Unit, const N: usize>(
    pass: &Depthwise<U::Format>,
    width: usize,
    from: &[StoredOf<U>],
    to: &mut [StoredOf<U>],
    at: (usize, usize),
) -> usize {
    let (input, output) = (&pass.maps.0, &pass.maps.1);
    let step = pass.window.stride * input.pitch;
    let [rows, columns] = pass.window.kernel;
    for c in (0..width).step_by(U::Simd::LANES) {
        // SAFETY: the caller's contract.
        unsafe {
            let from = from.as_ptr().add(at.0 + c);
            let mut weights = pass.weights.as_ptr().add(c);
            let mut sums = [U::Simd::load(pass.bias.as_ptr().add(c)); N];
            for ky in 0..rows {
                for kx in 0..columns {
                    let from = from.add(ky * input.row() + kx * input.pitch);
                    let weight = U::Simd::load(weights);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = U::Simd::mul_add(U::load(from.add(i * step)), weight, *sum);
                    }
                    weights = weights.add(width);
                }
            }
            let to = to.as_mut_ptr().add(at.1 + c);
            for (i, sum) in sums.iter().enumerate() {
                U::store(to.add(i * output.pitch), finished::<U>(pass.finish, *sum, || *sum));
            }
        }
    }
    N
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn pool<U: Unit>(pass: &Pool, from: &[StoredOf<U>], to: &mut [StoredOf<U>]) {
    let (input, output) = (&pass.maps.0, &pass.maps.1);
    let width = width::<U>(input, from.len());
    assert_eq!(width, self::width::<U>(output, to.len()));
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

/// `to = a + b`, maps of one size each with its layout.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn add<U: Unit>(
    a: (&[StoredOf<U>], &Map),
    b: (&[StoredOf<U>], &Map),
    to: (&mut [StoredOf<U>], &Map),
) {
    let width = width::<U>(a.1, a.0.len());
    assert_eq!((width, a.1.side), (self::width::<U>(b.1, b.0.len()), b.1.side));
    assert_eq!((width, a.1.side), (self::width::<U>(to.1, to.0.len()), to.1.side));
    for (y, x) in a.1.pixels() {
        let (from_a, from_b, at) = (a.1.at(0, y, x), b.1.at(0, y, x), to.1.at(0, y, x));
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all pixels are inside their maps, checked above.
            unsafe {
                let sum = U::Simd::add(
                    U::load(a.0.as_ptr().add(from_a + c)),
                    U::load(b.0.as_ptr().add(from_b + c)),
                );
                U::store(to.0.as_mut_ptr().add(at + c), sum);
            }
        }
    }
}
