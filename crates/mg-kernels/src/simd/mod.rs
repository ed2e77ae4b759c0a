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

use candle_core::WithDType;
use half::bf16;

use crate::aligned::Number;

/// Numbers the engine computes with: f32 and f64.
pub(crate) trait Element: WithDType + Number {
    /// Coefficients of a polynomial for `exp(r)`, `|r| <= ln(2) / 2`, from the constant upwards.
    const EXP: &'static [Self];
    /// `ln 2` as the sum of a short part, whose multiples are exact, and the rest.
    const LN_2: (Self, Self);
    /// Arguments of `exp` are limited to this size.
    const EXP_LIMIT: Self;
    fn of(value: f64) -> Self;
}

impl Element for f32 {
    const EXP: &'static [Self] = &[1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];
    const LN_2: (Self, Self) = (0.693_359_4, -2.121_944_4e-4);
    const EXP_LIMIT: Self = 87.0;
    fn of(value: f64) -> Self {
        value as Self
    }
}

impl Element for f64 {
    const EXP: &'static [Self] = &[
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
    ];
    const LN_2: (Self, Self) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    const EXP_LIMIT: Self = 700.0;
    fn of(value: f64) -> Self {
        value
    }
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
