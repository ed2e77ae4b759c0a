#![allow(unsafe_code, reason = "raw pointers and vector units")]

use candle_core::WithDType;

use super::walk::{Walk, check, width};
use crate::aligned::Number;
use crate::format::Format;
use crate::map::Map;
use crate::simd::{ElemOf, Simd, Unit};

/// Sums per channel over pixels: of `a - a_mean` and of `(a - a_mean) * (b - b_mean)`.
pub(crate) struct Sums<'a, P: Format> {
    pub(crate) walk: Walk,
    /// Values, their layout, their means.
    pub(crate) a: (&'a [P::Stored], Map, &'a [P::Elem]),
    pub(crate) b: (&'a [P::Stored], Map, &'a [P::Elem]),
}

/// Adds to `sums` and `products`, one for each channel. Runs of one row are summed in the element type, rows in f64.
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
