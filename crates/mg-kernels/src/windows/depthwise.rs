#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::width::width_of;
use crate::Window;
use crate::finish::{Finish, finished};
use crate::format::Format;
use crate::map::Map;
use crate::simd::{Simd, StoredOf, Unit};

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

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn depthwise<U: Unit>(
    pass: &Depthwise<U::Format>,
    from: &[StoredOf<U>],
    to: &mut [StoredOf<U>],
) {
    let (input, output) = (&pass.maps.0, &pass.maps.1);
    let width = width_of::<U>(input, from.len());
    assert_eq!(width, width_of::<U>(output, to.len()));
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
