//! Vectors of the processor at hand, behind one small trait.
#![allow(unsafe_code, reason = "vector instructions on raw pointers")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod portable;
mod unit;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::{Avx512, Dot};
pub(crate) use level::Level;
pub(crate) use portable::Portable;
pub(crate) use unit::{ElemOf, Plain, StoredOf, Unit, VectorOf, Widened};

use half::bf16;

use crate::aligned::Number;
use crate::element::Element;

/// Tells the processor that the cache line at an address, which need not be valid, will be read.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    // SAFETY: every x86-64 has the instruction, and it neither faults nor changes anything.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// A vector unit of f32 that reads and writes bf16.
///
/// # Safety
/// As for [`Simd`].
#[allow(clippy::missing_safety_doc, reason = "one contract for all methods, above")]
pub(crate) trait HalfSimd: Simd<Elem = f32> {
    /// `LANES` values.
    unsafe fn widen(from: *const bf16) -> Self::Vector;
    /// `LANES` values, rounded to nearest, ties to even; what is no number stays none.
    unsafe fn narrow(to: *mut bf16, v: Self::Vector);
    /// `2 * LANES` values: those of even and of odd index.
    unsafe fn widen_pairs(from: *const bf16) -> [Self::Vector; 2];
    /// `LANES` values, rounded to nearest, ties to even; what does not fit is anything.
    unsafe fn narrow_i16(to: *mut i16, v: Self::Vector);
}

/// A vector unit for one element type.
///
/// # Safety
/// Every method may use instructions of the unit: call them only where the processor has it, that is from functions
/// reached through [`Level`]. Pointers must be valid for `LANES` elements, in any alignment.
#[allow(clippy::missing_safety_doc, reason = "one contract for all methods, above")]
pub(crate) trait Simd: Copy + 'static {
    type Elem: Element;
    type Vector: Copy;
    const LANES: usize;

    unsafe fn splat(value: Self::Elem) -> Self::Vector;
    unsafe fn load(from: *const Self::Elem) -> Self::Vector;
    unsafe fn store(to: *mut Self::Elem, v: Self::Vector);
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn div(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`.
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Lane by lane, `yes` where `v > 0` and `no` elsewhere.
    unsafe fn if_positive(v: Self::Vector, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn round(v: Self::Vector) -> Self::Vector;
    /// `2^v` for whole numbers within the exponent's range.
    unsafe fn power_of_two(v: Self::Vector) -> Self::Vector;

    /// `exp(v)` with `|v|` limited to [`Element::EXP_LIMIT`].
    #[inline(always)]
    unsafe fn exp(v: Self::Vector) -> Self::Vector {
        // SAFETY: the caller's contract.
        unsafe {
            let limit = Self::splat(Self::Elem::EXP_LIMIT);
            let v = Self::max(Self::min(v, limit), Self::sub(Self::splat(Self::Elem::ZERO), limit));
            let log2_e = Self::splat(Self::Elem::of(std::f64::consts::LOG2_E));
            let n = Self::round(Self::mul(v, log2_e));
            let (long, rest) = Self::Elem::LN_2;
            let minus_n = Self::sub(Self::splat(Self::Elem::ZERO), n);
            let r = Self::mul_add(minus_n, Self::splat(rest), Self::mul_add(minus_n, Self::splat(long), v));
            let mut sum = Self::splat(Self::Elem::ZERO);
            for c in Self::Elem::EXP.iter().rev() {
                sum = Self::mul_add(sum, r, Self::splat(*c));
            }
            Self::mul(sum, Self::power_of_two(n))
        }
    }
}
