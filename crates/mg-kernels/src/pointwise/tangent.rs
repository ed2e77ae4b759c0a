#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::affine::{Apply, before};
use super::walk::{check, width};
use crate::curve::{derivative, derivatives};
use crate::map::Map;
use crate::simd::{Simd, StoredOf, Unit};

/// `to = act'(y) v` with `y = (z - mean) * scale + beta`; `v` lies as `z` does.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn slope<U: Unit>(
    pass: &Apply<U::Format>,
    v: &[StoredOf<U>],
    to: &mut [StoredOf<U>],
    to_map: &Map,
) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<U>(pass.walk, map, z.len().min(v.len()));
    check::<U>(pass.walk, to_map, to.len());
    let width = width::<U>(map);
    assert!(pass.affine.len() >= width && to_map.side == map.side && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(from + c)), &pass.affine, c);
                    let slope = derivative::<U::Simd>(pass.curve, y);
                    let v = U::load(v.as_ptr().add(from + c));
                    U::store(to.as_mut_ptr().add(to_at + c), U::Simd::mul(slope, v));
                }
            }
        }
    }
}

/// What the derivative of `act'(y) v` by `y` needs: `v`'s gradient goes by the slope, `y`'s by the bend.
pub(crate) struct Bend<'a, T> {
    /// The tangent of `y`.
    pub(crate) v: &'a [T],
    /// The gradient of `act'(y) v`.
    pub(crate) of_tangent: &'a [T],
    /// The gradient of `act(y)`.
    pub(crate) of_value: &'a [T],
}

/// `to = act'(y) of_value + act''(y) v of_tangent`: the gradient of `y`, where both its activation and a tangent of that
/// are of use. All lie as `z` does.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn bend<U: Unit>(
    pass: &Apply<U::Format>,
    by: &Bend<'_, StoredOf<U>>,
    to: &mut [StoredOf<U>],
    to_map: &Map,
) {
    let (z, map) = (pass.z.0, &pass.z.1);
    let shortest = by.v.len().min(by.of_tangent.len()).min(by.of_value.len());
    check::<U>(pass.walk, map, z.len().min(shortest));
    check::<U>(pass.walk, to_map, to.len());
    let width = width::<U>(map);
    assert!(pass.affine.len() >= width && to_map.side == map.side && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(from + c)), &pass.affine, c);
                    let [first, second] = derivatives::<U::Simd>(pass.curve, y);
                    let v = U::load(by.v.as_ptr().add(from + c));
                    let of_tangent = U::load(by.of_tangent.as_ptr().add(from + c));
                    let of_value = U::load(by.of_value.as_ptr().add(from + c));
                    let bent = U::Simd::mul(second, U::Simd::mul(v, of_tangent));
                    U::store(to.as_mut_ptr().add(to_at + c), U::Simd::mul_add(first, of_value, bent));
                }
            }
        }
    }
}
