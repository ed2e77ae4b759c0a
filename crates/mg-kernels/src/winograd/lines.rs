//! Rows and columns of tiles at as many of the points as their size asks.
#![allow(unsafe_code, reason = "vector units")]

use super::filter::{A, B, LARGE, POINTS, out};
use crate::element::Element;
use crate::simd::Simd;

/// A linear map from the values of a line to those at the points of a line of `SIZE`.
pub(crate) trait Line {
    /// Values that count.
    const READS: usize;
    const SIZE: usize;

    /// # Safety
    /// The processor has `S`.
    unsafe fn at_points<S: Simd>(values: [S::Vector; POINTS]) -> [S::Vector; POINTS];
}

/// Of a convolution's input.
pub(crate) struct Inputs<const SIZE: usize>;

/// Of the gradient of its output: the adjoint of [`back_line`].
pub(crate) struct Gradients<const SIZE: usize>;

impl<const SIZE: usize> Line for Inputs<SIZE> {
    const READS: usize = SIZE;
    const SIZE: usize = SIZE;

    #[inline(always)]
    unsafe fn at_points<S: Simd>(d: [S::Vector; POINTS]) -> [S::Vector; POINTS] {
        // SAFETY: the trait's contract.
        unsafe {
            let constant = |c: f64| S::splat(S::Elem::of(c));
            if SIZE == 3 {
                let minus = |near: S::Vector, far: S::Vector| S::mul_add(near, constant(-A), far);
                return [minus(d[0], d[1]), d[1], d[1], d[1], d[1], minus(d[1], d[2])];
            }
            if SIZE == 4 {
                let ends = |near: S::Vector, far: S::Vector| S::mul_add(near, constant(-A * A), far);
                let odd = S::mul(d[1], constant(A));
                let (plus, minus) = (S::add(d[2], odd), S::sub(d[2], odd));
                return [ends(d[0], d[2]), plus, minus, plus, minus, ends(d[1], d[3])];
            }
            if SIZE == 5 {
                let (square, cube) =
                    (S::mul_add(d[1], constant(-B), d[2]), S::mul_add(d[2], constant(-B), d[3]));
                let odd = S::mul(square, constant(A));
                let ends = |near: S::Vector, far: S::Vector| S::mul_add(near, constant(-A * A), far);
                let first = S::mul_add(d[0], constant(-B), d[1]);
                return [
                    ends(first, cube),
                    S::add(cube, odd),
                    S::sub(cube, odd),
                    ends(d[1], d[3]),
                    cube,
                    ends(square, S::mul_add(d[3], constant(-B), d[4])),
                ];
            }
            let (even_a, even_b) =
                (S::mul_add(d[2], constant(-B * B), d[4]), S::mul_add(d[2], constant(-A * A), d[4]));
            let odd_a = S::mul(S::mul_add(d[1], constant(-B * B), d[3]), constant(A));
            let odd_b = S::mul(S::mul_add(d[1], constant(-A * A), d[3]), constant(B));
            let ends = |x: S::Vector, y: S::Vector, z: S::Vector| {
                S::mul_add(x, constant(A * A * B * B), S::mul_add(y, constant(-A * A - B * B), z))
            };
            [
                ends(d[0], d[2], d[4]),
                S::add(even_a, odd_a),
                S::sub(even_a, odd_a),
                S::add(even_b, odd_b),
                S::sub(even_b, odd_b),
                ends(d[1], d[3], d[5]),
            ]
        }
    }
}

impl<const SIZE: usize> Line for Gradients<SIZE> {
    const READS: usize = out(SIZE);
    const SIZE: usize = SIZE;

    #[inline(always)]
    unsafe fn at_points<S: Simd>(y: [S::Vector; POINTS]) -> [S::Vector; POINTS] {
        // SAFETY: the trait's contract.
        unsafe {
            if out(SIZE) == 2 {
                let odd = S::mul(y[1], S::splat(S::Elem::of(A)));
                let (plus, minus) = (S::add(y[0], odd), S::sub(y[0], odd));
                return [y[0], plus, minus, plus, minus, y[1]];
            }
            let at = |p: f64| {
                let constant = |c: f64| S::splat(S::Elem::of(c));
                let even = S::mul_add(y[2], constant(p * p), y[0]);
                let odd = S::mul_add(y[3], constant(p * p * p), S::mul(y[1], constant(p)));
                (S::add(even, odd), S::sub(even, odd))
            };
            let ((plus_a, minus_a), (plus_b, minus_b)) = (at(A), at(B));
            [y[0], plus_a, minus_a, plus_b, minus_b, y[3]]
        }
    }
}

/// A line of outputs from the products at the points of a line of `SIZE`.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn back_line<S: Simd, const SIZE: usize>(m: [S::Vector; POINTS]) -> [S::Vector; LARGE] {
    // SAFETY: the caller's contract.
    unsafe {
        let constant = |c: f64| S::splat(S::Elem::of(c));
        let (sum_a, gap_a) = if SIZE == 3 { (m[1], m[1]) } else { (S::add(m[1], m[2]), S::sub(m[1], m[2])) };
        if out(SIZE) == 2 {
            return [S::add(m[0], sum_a), S::mul_add(gap_a, constant(A), m[5]), m[0], m[0]];
        }
        let (sum_b, gap_b) = if SIZE == 5 { (m[3], m[3]) } else { (S::add(m[3], m[4]), S::sub(m[3], m[4])) };
        let mix =
            |a: S::Vector, p: f64, b: S::Vector, q: f64| S::mul_add(a, constant(p), S::mul(b, constant(q)));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            mix(gap_a, A, gap_b, B),
            mix(sum_a, A * A, sum_b, B * B),
            S::add(mix(gap_a, A * A * A, gap_b, B * B * B), m[5]),
        ]
    }
}
