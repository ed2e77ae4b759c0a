//! Elementwise passes over maps `[n, y, x, channel]` and their sums per channel.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::aligned::Number;
use candle_core::WithDType;

use crate::Activation;
use crate::format::Format;
use crate::map::Map;
use crate::simd::{ElemOf, Element, Simd, StoredOf, Unit, VectorOf};

/// An activation with its slope in the element type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Curve<E> {
    Leaky(E),
    Silu,
}

impl<E: Element> Curve<E> {
    pub(crate) fn of(activation: Activation) -> Self {
        match activation {
            Activation::LeakyRelu { slope } => Self::Leaky(E::of(slope)),
            Activation::Silu => Self::Silu,
        }
    }
}

/// Maps that a pass walks through pixel by pixel: `images` of them, starting with image `first`.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) first: usize,
    pub(crate) images: usize,
}

impl Walk {
    fn rows(self, side: usize) -> impl Iterator<Item = (usize, usize)> {
        (self.first..self.first + self.images).flat_map(move |n| (0..side).map(move |y| (n, y)))
    }
}

/// `y = (z - mean) * scale + beta`, `to = act(y)`; coefficients per channel.
pub(crate) struct Apply<'a, P: Format> {
    pub(crate) walk: Walk,
    pub(crate) z: (&'a [P::Stored], Map),
    pub(crate) affine: Affine<'a, P::Elem>,
    pub(crate) curve: Curve<P::Elem>,
}

/// Coefficients per channel, padded with zeros to whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a, E> {
    pub(crate) mean: &'a [E],
    pub(crate) scale: &'a [E],
    pub(crate) beta: &'a [E],
}

#[inline(always)]
unsafe fn before<U: Unit>(z: VectorOf<U>, affine: &Affine<ElemOf<U>>, c: usize) -> VectorOf<U> {
    // SAFETY: the callers check that `c + LANES` is within the coefficients.
    unsafe {
        let mean = U::Simd::load(affine.mean.as_ptr().add(c));
        let scale = U::Simd::load(affine.scale.as_ptr().add(c));
        U::Simd::mul_add(U::Simd::sub(z, mean), scale, U::Simd::load(affine.beta.as_ptr().add(c)))
    }
}

#[inline(always)]
unsafe fn logistic<U: Unit>(y: VectorOf<U>) -> VectorOf<U> {
    // SAFETY: the trait's contract.
    unsafe {
        let one = U::Simd::splat(ElemOf::<U>::of(1.0));
        U::Simd::div(one, U::Simd::add(one, U::Simd::exp(U::Simd::sub(U::Simd::splat(ElemOf::<U>::ZERO), y))))
    }
}

#[inline(always)]
unsafe fn activate<U: Unit>(curve: Curve<ElemOf<U>>, y: VectorOf<U>) -> VectorOf<U> {
    // SAFETY: the trait's contract.
    unsafe {
        match curve {
            Curve::Leaky(slope) => U::Simd::if_positive(y, y, U::Simd::mul(y, U::Simd::splat(slope))),
            Curve::Silu => U::Simd::mul(y, logistic::<U>(y)),
        }
    }
}

#[inline(always)]
unsafe fn derivative<U: Unit>(curve: Curve<ElemOf<U>>, y: VectorOf<U>) -> VectorOf<U> {
    // SAFETY: the trait's contract.
    unsafe {
        let one = U::Simd::splat(ElemOf::<U>::of(1.0));
        match curve {
            Curve::Leaky(slope) => U::Simd::if_positive(y, one, U::Simd::splat(slope)),
            Curve::Silu => {
                let s = logistic::<U>(y);
                U::Simd::mul(s, U::Simd::mul_add(y, U::Simd::sub(one, s), one))
            }
        }
    }
}

/// Whole vectors that hold a map's channels.
fn width<U: Unit>(map: &Map) -> usize {
    map.channels.next_multiple_of(U::Simd::LANES)
}

fn check<U: Unit>(walk: Walk, map: &Map, len: usize) {
    assert!(width::<U>(map) <= map.pitch || map.pitch == map.channels, "pixels are whole vectors");
    assert!(map.len(walk.first + walk.images) <= len, "a pass would leave its map");
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn apply<U: Unit>(pass: &Apply<U::Format>, to: &mut [StoredOf<U>], to_map: &Map) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<U>(pass.walk, map, z.len());
    check::<U>(pass.walk, to_map, to.len());
    let width = width::<U>(map);
    let Affine { mean, scale, beta } = pass.affine;
    assert!(mean.len().min(scale.len()).min(beta.len()) >= width && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(from + c)), &pass.affine, c);
                    U::store(to.as_mut_ptr().add(to_at + c), activate::<U>(pass.curve, y));
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
    let Affine { mean, scale, beta } = pass.affine;
    assert!(mean.len().min(scale.len()).min(beta.len()) >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let at = map.at(n, y, x);
            for c in (0..width).step_by(U::Simd::LANES) {
                // SAFETY: the pixel is inside its map, checked above, and holds `width` elements.
                unsafe {
                    let y = before::<U>(U::load(z.as_ptr().add(at + c)), &pass.affine, c);
                    let g = grad.as_mut_ptr().add(at + c);
                    U::store(g, U::Simd::mul(U::load(g), derivative::<U>(pass.curve, y)));
                }
            }
        }
    }
}

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

/// Sums per channel over pixels: of `a - a_mean` and of `(a - a_mean) * (b - b_mean)`.
pub(crate) struct Sums<'a, P: Format> {
    pub(crate) walk: Walk,
    /// Values, their layout, their means.
    pub(crate) a: (&'a [P::Stored], Map, &'a [P::Elem]),
    pub(crate) b: (&'a [P::Stored], Map, &'a [P::Elem]),
}

/// Adds to `sums` and `products` [channels]. Runs of one row are summed in the element type, rows in f64.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn sums<U: Unit>(pass: &Sums<U::Format>, sums: &mut [f64], products: &mut [f64]) {
    let ((a, a_map, a_mean), (b, b_map, b_mean)) = (pass.a, pass.b);
    check::<U>(pass.walk, &a_map, a.len());
    check::<U>(pass.walk, &b_map, b.len());
    let width = width::<U>(&a_map);
    assert!(
        a_mean.len().min(b_mean.len()) >= width
            && a_map.side == b_map.side
            && a_map.channels == b_map.channels
    );
    let mut lanes = [[ElemOf::<U>::ZERO; 16]; 2];
    assert!(U::Simd::LANES <= 16);
    for (n, y) in pass.walk.rows(a_map.side) {
        for c in (0..width).step_by(U::Simd::LANES) {
            // SAFETY: all pixels are inside their maps, checked above, and hold `width` elements.
            unsafe {
                let zero = U::Simd::splat(ElemOf::<U>::ZERO);
                let (a_mean, b_mean) =
                    (U::Simd::load(a_mean.as_ptr().add(c)), U::Simd::load(b_mean.as_ptr().add(c)));
                let (mut sum, mut product) = (zero, zero);
                for x in 0..a_map.side {
                    let a = U::Simd::sub(U::load(a.as_ptr().add(a_map.at(n, y, x) + c)), a_mean);
                    let b = U::Simd::sub(U::load(b.as_ptr().add(b_map.at(n, y, x) + c)), b_mean);
                    sum = U::Simd::add(sum, a);
                    product = U::Simd::mul_add(a, b, product);
                }
                U::Simd::store(lanes[0].as_mut_ptr(), sum);
                U::Simd::store(lanes[1].as_mut_ptr(), product);
            }
            let left = U::Simd::LANES.min(a_map.channels - c);
            for i in 0..left {
                sums[c + i] += lanes[0][i].to_f64();
                products[c + i] += lanes[1][i].to_f64();
            }
        }
    }
}

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
                        U::Simd::if_positive(a, one, U::Simd::mul(one, U::Simd::splat(slope)))
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
