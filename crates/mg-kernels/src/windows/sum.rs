#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::width::width_of;
use crate::map::Map;
use crate::simd::{Simd, StoredOf, Unit};

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
    let width = width_of::<U>(a.1, a.0.len());
    assert_eq!((width, a.1.side), (width_of::<U>(b.1, b.0.len()), b.1.side));
    assert_eq!((width, a.1.side), (width_of::<U>(to.1, to.0.len()), to.1.side));
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
