#![allow(unsafe_code, reason = "raw pointers and vector units")]

use super::walk::{Walk, check, width};
use crate::curve::{Curve, activate, derivative};
use crate::format::Format;
use crate::map::Map;
use crate::simd::{ElemOf, Simd, StoredOf, Unit, VectorOf};

/// Coefficients per channel, padded with zeros to whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a, E> {
    pub(crate) mean: &'a [E],
    pub(crate) scale: &'a [E],
    pub(crate) beta: &'a [E],
}

impl<E> Affine<'_, E> {
    /// Channels that all coefficients are given for.
    pub(super) fn len(&self) -> usize {
        self.mean.len().min(self.scale.len()).min(self.beta.len())
    }
}

/// `y = (z - mean) * scale + beta`, `to = act(y)`; coefficients per channel.
pub(crate) struct Apply<'a, P: Format> {
    pub(crate) walk: Walk,
    pub(crate) z: (&'a [P::Stored], Map),
    pub(crate) affine: Affine<'a, P::Elem>,
    pub(crate) curve: Curve<P::Elem>,
}

/// What the activation is applied to.
///
/// # Safety
/// The processor has `U`, and `c + LANES` is within the coefficients.
#[inline(always)]
pub(super) unsafe fn before<U: Unit>(z: VectorOf<U>, affine: &Affine<ElemOf<U>>, c: usize) -> VectorOf<U> {
    // SAFETY: the caller's contract.
    unsafe {
        let mean = U::Simd::load(affine.mean.as_ptr().add(c));
        let scale = U::Simd::load(affine.scale.as_ptr().add(c));
        U::Simd::mul_add(U::Simd::sub(z, mean), scale, U::Simd::load(affine.beta.as_ptr().add(c)))
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn apply<U: Unit>(pass: &Apply<U::Format>, to: &mut [StoredOf<U>], to_map: &Map) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<U>(pass.walk, map, z.len());
    check::<U>(pass.walk, to_map, to.len());
    let width = width::<U>(map);
    assert!(pass.affine.len() >= width && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(from + c)), &pass.affine, c);
                    U::store(to.as_mut_ptr().add(to_at + c), activate::<U::Simd>(pass.curve, y));
                }
            }
        }
    }
}

/// Multiplies `grad` in place by the activation's derivative at `(z - mean) * scale + beta`.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn gate<U: Unit>(pass: &Apply<U::Format>, grad: &mut [StoredOf<U>]) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<U>(pass.walk, map, z.len().min(grad.len()));
    let width = width::<U>(map);
    assert!(pass.affine.len() >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let at = map.at(n, y, x);
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: the pixel is inside its map, checked above, and holds `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(at + c)), &pass.affine, c);
                    let g = grad.as_mut_ptr().add(at + c);
                    U::store(g, U::Simd::mul(U::load(g), derivative::<U::Simd>(pass.curve, y)));
                }
            }
        }
    }
}
