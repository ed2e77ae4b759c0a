#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::Activation;
use crate::aligned::Number;
use crate::element::Element;
use crate::simd::{ElemOf, Simd, Unit, VectorOf};

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

#[inline(always)]
unsafe fn logistic<U: Unit>(y: VectorOf<U>) -> VectorOf<U> {
    // SAFETY: the trait's contract.
    unsafe {
        let one = U::Simd::splat(ElemOf::<U>::of(1.0));
        U::Simd::div(one, U::Simd::add(one, U::Simd::exp(U::Simd::sub(U::Simd::splat(ElemOf::<U>::ZERO), y))))
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(super) unsafe fn activate<U: Unit>(curve: Curve<ElemOf<U>>, y: VectorOf<U>) -> VectorOf<U> {
    // SAFETY: the trait's contract.
    unsafe {
        match curve {
            Curve::Leaky(slope) => U::Simd::if_positive(y, y, U::Simd::mul(y, U::Simd::splat(slope))),
            Curve::Silu => U::Simd::mul(y, logistic::<U>(y)),
        }
    }
}

/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(super) unsafe fn derivative<U: Unit>(curve: Curve<ElemOf<U>>, y: VectorOf<U>) -> VectorOf<U> {
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
