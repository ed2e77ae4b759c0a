use std::marker::PhantomData;

use half::bf16;

use super::{HalfSimd, Simd};
use crate::format::{Format, Half, Whole};

/// What tiles and passes ask of a processor: how values of a [`Format`] lie in memory, and the one product that
/// convolutions are made of.
///
/// # Safety
/// As for [`Simd`]: only where the processor has the unit; pointers valid for what each method says.
#[allow(clippy::missing_safety_doc, reason = "one contract for all methods, above")]
pub(crate) trait Unit: Copy + 'static {
    type Format: Format;
    type Simd: Simd<Elem = ElemOf<Self>>;
    /// A register of [`Format::GROUP`] rows of `LANES` weights.
    type Weights: Copy;

    /// `LANES` stored values.
    unsafe fn load(from: *const StoredOf<Self>) -> VectorOf<Self>;
    /// Stores `LANES` values.
    unsafe fn store(to: *mut StoredOf<Self>, v: VectorOf<Self>);
    /// `LANES * GROUP` stored weights: for each lane, `GROUP` values that follow each other.
    unsafe fn weights(from: *const StoredOf<Self>) -> Self::Weights;
    /// `sum + input[0] * weights[0] + ...`, the `GROUP` values at `input` against every lane.
    unsafe fn multiply_add(
        input: *const StoredOf<Self>,
        weights: Self::Weights,
        sum: VectorOf<Self>,
    ) -> VectorOf<Self>;
}

pub(crate) type ElemOf<U> = <<U as Unit>::Format as Format>::Elem;
pub(crate) type StoredOf<U> = <<U as Unit>::Format as Format>::Stored;
pub(crate) type VectorOf<U> = <<U as Unit>::Simd as Simd>::Vector;

/// Values stored as they are computed with.
#[derive(Clone, Copy)]
pub(crate) struct Plain<S>(PhantomData<S>);

// SAFETY (all blocks): the trait's contract is that of the methods called.
impl<S: Simd> Unit for Plain<S> {
    type Format = Whole<S::Elem>;
    type Simd = S;
    type Weights = S::Vector;

    #[inline(always)]
    unsafe fn load(from: *const S::Elem) -> S::Vector {
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut S::Elem, v: S::Vector) {
        unsafe { S::store(to, v) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const S::Elem) -> S::Vector {
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn multiply_add(input: *const S::Elem, weights: S::Vector, sum: S::Vector) -> S::Vector {
        unsafe { S::mul_add(S::splat(*input), weights, sum) }
    }
}

/// Values stored in bf16, products and sums in f32.
#[derive(Clone, Copy)]
pub(crate) struct Widened<S>(PhantomData<S>);

// SAFETY (all blocks): the trait's contract is that of the methods called; two values lie behind `input`.
impl<S: HalfSimd> Unit for Widened<S> {
    type Format = Half;
    type Simd = S;
    type Weights = [S::Vector; 2];

    #[inline(always)]
    unsafe fn load(from: *const bf16) -> S::Vector {
        unsafe { S::widen(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut bf16, v: S::Vector) {
        unsafe { S::narrow(to, v) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const bf16) -> [S::Vector; 2] {
        unsafe { S::widen_pairs(from) }
    }
    #[inline(always)]
    unsafe fn multiply_add(input: *const bf16, weights: [S::Vector; 2], sum: S::Vector) -> S::Vector {
        unsafe {
            let [first, second] = [*input, *input.add(1)].map(|x| S::splat(f32::from(x)));
            S::mul_add(second, weights[1], S::mul_add(first, weights[0], sum))
        }
    }
}
