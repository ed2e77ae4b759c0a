//! Elementwise passes over maps `[n, y, x, channel]` and their sums per channel.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use candle_core::WithDType;

use crate::Activation;
use crate::map::Map;
use crate::simd::{Element, Simd};

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
pub(crate) struct Apply<'a, E> {
    pub(crate) walk: Walk,
    pub(crate) z: (&'a [E], Map),
    pub(crate) affine: Affine<'a, E>,
    pub(crate) curve: Curve<E>,
}

/// Coefficients per channel, padded with zeros to whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a, E> {
    pub(crate) mean: &'a [E],
    pub(crate) scale: &'a [E],
    pub(crate) beta: &'a [E],
}

#[inline(always)]
unsafe fn before<S: Simd>(z: S::Vector, affine: &Affine<S::Elem>, c: usize) -> S::Vector {
    // SAFETY: the callers check that `c + LANES` is within the coefficients.
    unsafe {
        let mean = S::load(affine.mean.as_ptr().add(c));
        let scale = S::load(affine.scale.as_ptr().add(c));
        S::mul_add(S::sub(z, mean), scale, S::load(affine.beta.as_ptr().add(c)))
    }
}

#[inline(always)]
unsafe fn logistic<S: Simd>(y: S::Vector) -> S::Vector {
    // SAFETY: the trait's contract.
    unsafe {
        let one = S::splat(S::Elem::of(1.0));
        S::div(one, S::add(one, S::exp(S::sub(S::splat(S::Elem::ZERO), y))))
    }
}

#[inline(always)]
unsafe fn activate<S: Simd>(curve: Curve<S::Elem>, y: S::Vector) -> S::Vector {
    // SAFETY: the trait's contract.
    unsafe {
        match curve {
            Curve::Leaky(slope) => S::if_positive(y, y, S::mul(y, S::splat(slope))),
            Curve::Silu => S::mul(y, logistic::<S>(y)),
        }
    }
}

#[inline(always)]
unsafe fn derivative<S: Simd>(curve: Curve<S::Elem>, y: S::Vector) -> S::Vector {
    // SAFETY: the trait's contract.
    unsafe {
        let one = S::splat(S::Elem::of(1.0));
        match curve {
            Curve::Leaky(slope) => S::if_positive(y, one, S::splat(slope)),
            Curve::Silu => {
                let s = logistic::<S>(y);
                S::mul(s, S::mul_add(y, S::sub(one, s), one))
            }
        }
    }
}

/// Whole vectors that hold a map's channels.
fn width<S: Simd>(map: &Map) -> usize {
    map.channels.next_multiple_of(S::LANES)
}

fn check<S: Simd>(walk: Walk, map: &Map, len: usize) {
    assert!(width::<S>(map) <= map.pitch || map.pitch == map.channels, "pixels are whole vectors");
    assert!(map.len(walk.first + walk.images) <= len, "a pass would leave its map");
}

/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn apply<S: Simd>(pass: &Apply<S::Elem>, to: &mut [S::Elem], to_map: &Map) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<S>(pass.walk, map, z.len());
    check::<S>(pass.walk, to_map, to.len());
    let width = width::<S>(map);
    let Affine { mean, scale, beta } = pass.affine;
    assert!(mean.len().min(scale.len()).min(beta.len()) >= width && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(S::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let y = before::<S>(S::load(z.as_ptr().add(from + c)), &pass.affine, c);
                    S::store(to.as_mut_ptr().add(to_at + c), activate::<S>(pass.curve, y));
                }
            }
        }
    }
}

/// Multiplies `grad` in place by the activation's derivative at `(z - mean) * scale + beta`.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn gate<S: Simd>(pass: &Apply<S::Elem>, grad: &mut [S::Elem]) {
    let (z, map) = (pass.z.0, &pass.z.1);
    check::<S>(pass.walk, map, z.len().min(grad.len()));
    let width = width::<S>(map);
    let Affine { mean, scale, beta } = pass.affine;
    assert!(mean.len().min(scale.len()).min(beta.len()) >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let at = map.at(n, y, x);
            for c in (0..width).step_by(S::LANES) {
                // SAFETY: the pixel is inside its map, checked above, and holds `width` elements.
                unsafe {
                    let y = before::<S>(S::load(z.as_ptr().add(at + c)), &pass.affine, c);
                    let g = grad.as_mut_ptr().add(at + c);
                    S::store(g, S::mul(S::load(g), derivative::<S>(pass.curve, y)));
                }
            }
        }
    }
}

/// `to = grad * by_grad + (z - mean) * by_z + constant`, coefficients per channel: the last step through a norm.
pub(crate) struct Combine<'a, E> {
    pub(crate) walk: Walk,
    pub(crate) z: &'a [E],
    pub(crate) grad: &'a [E],
    pub(crate) map: Map,
    pub(crate) mean: &'a [E],
    pub(crate) by_grad: &'a [E],
    pub(crate) by_z: &'a [E],
    pub(crate) constant: &'a [E],
}

/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn combine<S: Simd>(pass: &Combine<S::Elem>, to: &mut [S::Elem], to_map: &Map) {
    let map = &pass.map;
    check::<S>(pass.walk, map, pass.z.len().min(pass.grad.len()));
    check::<S>(pass.walk, to_map, to.len());
    let width = width::<S>(map);
    let shortest = pass.mean.len().min(pass.by_grad.len()).min(pass.by_z.len()).min(pass.constant.len());
    assert!(shortest >= width && to_map.pitch >= width);
    for (n, y) in pass.walk.rows(map.side) {
        for x in 0..map.side {
            let (from, to_at) = (map.at(n, y, x), to_map.at(n, y, x));
            for c in (0..width).step_by(S::LANES) {
                // SAFETY: both pixels are inside their maps, checked above, and hold `width` elements.
                unsafe {
                    let centred =
                        S::sub(S::load(pass.z.as_ptr().add(from + c)), S::load(pass.mean.as_ptr().add(c)));
                    let by_z = S::load(pass.by_z.as_ptr().add(c));
                    let sum = S::mul_add(centred, by_z, S::load(pass.constant.as_ptr().add(c)));
                    let g = S::load(pass.grad.as_ptr().add(from + c));
                    let sum = S::mul_add(g, S::load(pass.by_grad.as_ptr().add(c)), sum);
                    S::store(to.as_mut_ptr().add(to_at + c), sum);
                }
            }
        }
    }
}

/// Sums per channel over pixels: of `a - a_mean` and of `(a - a_mean) * (b - b_mean)`.
pub(crate) struct Sums<'a, E> {
    pub(crate) walk: Walk,
    /// Values, their layout, their means.
    pub(crate) a: (&'a [E], Map, &'a [E]),
    pub(crate) b: (&'a [E], Map, &'a [E]),
}

/// Adds to `sums` and `products` [channels]. Runs of one row are summed in the element type, rows in f64.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn sums<S: Simd>(pass: &Sums<S::Elem>, sums: &mut [f64], products: &mut [f64]) {
    let ((a, a_map, a_mean), (b, b_map, b_mean)) = (pass.a, pass.b);
    check::<S>(pass.walk, &a_map, a.len());
    check::<S>(pass.walk, &b_map, b.len());
    let width = width::<S>(&a_map);
    assert!(
        a_mean.len().min(b_mean.len()) >= width
            && a_map.side == b_map.side
            && a_map.channels == b_map.channels
    );
    let mut lanes = [[S::Elem::ZERO; 16]; 2];
    assert!(S::LANES <= 16);
    for (n, y) in pass.walk.rows(a_map.side) {
        for c in (0..width).step_by(S::LANES) {
            // SAFETY: all pixels are inside their maps, checked above, and hold `width` elements.
            unsafe {
                let zero = S::splat(S::Elem::ZERO);
                let (a_mean, b_mean) = (S::load(a_mean.as_ptr().add(c)), S::load(b_mean.as_ptr().add(c)));
                let (mut sum, mut product) = (zero, zero);
                for x in 0..a_map.side {
                    let a = S::sub(S::load(a.as_ptr().add(a_map.at(n, y, x) + c)), a_mean);
                    let b = S::sub(S::load(b.as_ptr().add(b_map.at(n, y, x) + c)), b_mean);
                    sum = S::add(sum, a);
                    product = S::mul_add(a, b, product);
                }
                S::store(lanes[0].as_mut_ptr(), sum);
                S::store(lanes[1].as_mut_ptr(), product);
            }
            let left = S::LANES.min(a_map.channels - c);
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
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd>(head: &Head<S::Elem>, n: usize, a: &[S::Elem]) -> f64 {
    let map = &head.map;
    check::<S>(Walk { first: n, images: 1 }, map, a.len());
    assert!(map.image() <= head.weights.len() && map.pitch.is_multiple_of(S::LANES));
    let (mut lanes, mut total) = ([S::Elem::ZERO; 16], 0.0);
    let start = n * map.image();
    for y in 0..map.padded {
        // SAFETY: the map lies within `a` and the head, checked above; the last map has no halo.
        unsafe {
            let mut sum = S::splat(S::Elem::ZERO);
            for at in (y * map.row()..(y + 1) * map.row()).step_by(S::LANES) {
                let w = S::load(head.weights.as_ptr().add(at));
                sum = S::mul_add(S::load(a.as_ptr().add(start + at)), w, sum);
            }
            S::store(lanes.as_mut_ptr(), sum);
        }
        total += lanes[..S::LANES].iter().map(|v| v.to_f64()).sum::<f64>();
    }
    total
}

/// `to = coefficient * head` for map `n`, gated by leaky ReLU's derivative at `gate` when there is one.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn pull<S: Simd>(
    head: &Head<S::Elem>,
    n: usize,
    coefficient: S::Elem,
    gate: Option<(&[S::Elem], S::Elem)>,
    to: &mut [S::Elem],
    to_map: &Map,
) {
    let (map, walk) = (&head.map, Walk { first: n, images: 1 });
    check::<S>(walk, to_map, to.len());
    gate.iter().for_each(|(gate, _)| check::<S>(walk, map, gate.len()));
    let width = width::<S>(map);
    assert!(map.image() <= head.weights.len() && map.side == to_map.side && to_map.pitch >= width);
    for (y, x) in map.pixels() {
        let (from, at) = (map.at(0, y, x), to_map.at(n, y, x));
        for c in (0..width).step_by(S::LANES) {
            // SAFETY: all pixels are inside their maps, checked above, and hold `width` elements.
            unsafe {
                let one = S::splat(coefficient);
                let factor = match gate {
                    Some((gate, slope)) => {
                        let a = S::load(gate.as_ptr().add(map.at(n, y, x) + c));
                        S::if_positive(a, one, S::mul(one, S::splat(slope)))
                    }
                    None => one,
                };
                let w = S::load(head.weights.as_ptr().add(from + c));
                S::store(to.as_mut_ptr().add(at + c), S::mul(w, factor));
            }
        }
    }
}

/// `into += coefficient * a` over map `n`, where `into` is laid out as the head.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn add_scaled<S: Simd>(
    map: &Map,
    n: usize,
    coefficient: S::Elem,
    a: &[S::Elem],
    into: &mut [S::Elem],
) {
    check::<S>(Walk { first: n, images: 1 }, map, a.len());
    assert!(map.image() <= into.len() && map.pitch.is_multiple_of(S::LANES));
    let start = n * map.image();
    for at in (0..map.image()).step_by(S::LANES) {
        // SAFETY: the map lies within `a` and `into`, checked above.
        unsafe {
            let to = into.as_mut_ptr().add(at);
            S::store(to, S::mul_add(S::load(a.as_ptr().add(start + at)), S::splat(coefficient), S::load(to)));
        }
    }
}
