#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::walk::{Walk, check, width};
use crate::format::Format;
use crate::map::Map;
use crate::simd::{Simd, StoredOf, Unit};

/// `to = grad * by_grad + (z - mean) * by_z + constant`, coefficients per channel: the last step through a norm.
pub(crate) struct Combine<'a, P: Format> {
    pub(crate) walk: Walk,
    pub(crate) z: &'a [P::Stored],
    pub(crate) grad: &'a [P::Stored],
    pub(crate) map: Map,
    pub(crate) mean: &'a [P::Elem],
    pub(crate) by_grad: &'a [P::Elem],
    pub(crate) by_z: &'a [P::Elem],
    pub(crate) constant: &'a [P::Elem],
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn combine<U: Unit>(pass: &Combine<U::Format>, to: &mut [StoredOf<U>], to_map: &Map) {
    let map = &pass.map;
    check::<U>(pass.walk, map, pass.z.len().min(pass.grad.len()));
    check::<U>(pass.walk, to_map, to.len());
    let width = width::<U>(map);
    let shortest = pass.mean.len().min(pass.by_grad.len()).min(pass.by_z.len()).min(pass.constant.len());
    assert!(shortest >= width && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let centred = U::Simd::sub(
                        U::load(pass.z.as_ptr().add(from + c)),
                        U::Simd::load(pass.mean.as_ptr().add(c)),
                    );
                    let by_z = U::Simd::load(pass.by_z.as_ptr().add(c));
                    let sum = U::Simd::mul_add(centred, by_z, U::Simd::load(pass.constant.as_ptr().add(c)));
                    let g = U::load(pass.grad.as_ptr().add(from + c));
                    let sum = U::Simd::mul_add(g, U::Simd::load(pass.by_grad.as_ptr().add(c)), sum);
                    U::store(to.as_mut_ptr().add(to_at + c), sum);
                }
            }
        }
    }
}
