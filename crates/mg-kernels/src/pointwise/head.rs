#![allow(unsafe_code, reason = "raw pointers and vector units")]

use candle_core::WithDType;

use super::walk::{Walk, check, width};
use crate::aligned::Number;
use crate::curve::leaky;
use crate::map::Map;
use crate::simd::{ElemOf, Simd, StoredOf, Unit};

/// The last map and the head, `[y, x, channel]` with the last map's pitch.
pub(crate) struct Head<'a, E> {
    pub(crate) map: Map,
    pub(crate) weights: &'a [E],
}

/// `sum a * head` over map `n`.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn dot<U: Unit>(head: &Head<ElemOf<U>>, n: usize, a: &[StoredOf<U>]) -> f64 {
    let map = &head.map;
    check::<U>(Walk { first: n, images: 1 }, map, a.len());
    assert!(map.image() <= head.weights.len() && map.pitch.is_multiple_of(U::Simd::LANES));
    let (mut lanes, mut total) = ([ElemOf::<U>::ZERO; 16], 0.0);
    let start = n * map.image();
    for y in 0..map.padded {
        // SAFETY: the map lies within `a` and the head, checked above; the last map has no halo.
        unsafe {
            let mut sum = U::Simd::splat(ElemOf::<U>::ZERO);
            for at in (y * map.row()..(y + 1) * map.row()).step_by(U::Simd::LANES) {
                let w = U::Simd::load(head.weights.as_ptr().add(at));
                sum = U::Simd::mul_add(U::load(a.as_ptr().add(start + at)), w, sum);
            }
            U::Simd::store(lanes.as_mut_ptr(), sum);
        }
        total += lanes[..U::Simd::LANES].iter().map(|v| v.to_f64()).sum::<f64>();
    }
    total
}

/// `to = coefficient * head` for map `n`, gated by leaky ReLU's derivative at `gate` when there is one.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn pull<U: Unit>(
    head: &Head<ElemOf<U>>,
    n: usize,
    coefficient: ElemOf<U>,
    gate: Option<(&[StoredOf<U>], ElemOf<U>)>,
    to: &mut [StoredOf<U>],
    to_map: &Map,
) {
    let (map, walk) = (&head.map, Walk { first: n, images: 1 });
    check::<U>(walk, to_map, to.len());
    gate.iter().for_each(|(gate, _)| check::<U>(walk, map, gate.len()));
    let width = width::<U>(map);
    assert!(map.image() <= head.weights.len() && map.side == to_map.side && to_map.pitch >= width);
    for (y, x) in map.pixels() {
        let (from, at) = (map.at(0, y, x), to_map.at(n, y, x));
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all pixels are inside their maps, checked above, and hold `width` elements.
            unsafe {
                let one = U::Simd::splat(coefficient);
                let factor = match gate {
                    Some((gate, slope)) => {
                        let a = U::load(gate.as_ptr().add(map.at(n, y, x) + c));
                        leaky::<U::Simd>(a, one, U::Simd::splat(slope))
                    }
                    None => one,
                };
                let w = U::Simd::load(head.weights.as_ptr().add(from + c));
                U::store(to.as_mut_ptr().add(at + c), U::Simd::mul(w, factor));
            }
        }
    }
}

/// `into += coefficient * a` over map `n`, where `into` is laid out as the head.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn add_scaled<U: Unit>(
    map: &Map,
    n: usize,
    coefficient: ElemOf<U>,
    a: &[StoredOf<U>],
    into: &mut [ElemOf<U>],
) {
    check::<U>(Walk { first: n, images: 1 }, map, a.len());
    assert!(map.image() <= into.len() && map.pitch.is_multiple_of(U::Simd::LANES));
    let start = n * map.image();
    for at in (0..map.image()).step_by(U::Simd::LANES) {
        // SAFETY: the map lies within `a` and `into`, checked above.
        unsafe {
            let to = into.as_mut_ptr().add(at);
            U::Simd::store(
                to,
                U::Simd::mul_add(
                    U::load(a.as_ptr().add(start + at)),
                    U::Simd::splat(coefficient),
                    U::Simd::load(to),
                ),
            );
        }
    }
}
