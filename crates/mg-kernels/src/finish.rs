#![allow(unsafe_code, reason = "vector units")]

use crate::curve::leaky;
use crate::element::Element;
use crate::simd::{ElemOf, Simd, Unit, VectorOf};

/// What happens to the sums of a convolution before they are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<E> {
    /// Nothing.
    Plain,
    /// Leaky ReLU with this slope.
    Leaky(E),
    /// Limited to 0 and this.
    Clipped(E),
    /// Multiplied by leaky ReLU's derivative (1 or this slope) at the values found at `Tile::gate`.
    Gate(E),
}

/// What becomes of a sum; `gate` says what a gate asks.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn finished<U: Unit>(
    finish: Finish<ElemOf<U>>,
    sum: VectorOf<U>,
    gate: impl FnOnce() -> VectorOf<U>,
) -> VectorOf<U> {
    // SAFETY: the caller's contract.
    unsafe {
        match finish {
            Finish::Plain => sum,
            Finish::Leaky(slope) => leaky::<U::Simd>(sum, sum, U::Simd::splat(slope)),
            Finish::Clipped(most) => {
                U::Simd::min(U::Simd::max(sum, U::Simd::splat(ElemOf::<U>::of(0.0))), U::Simd::splat(most))
            }
            Finish::Gate(slope) => leaky::<U::Simd>(gate(), sum, U::Simd::splat(slope)),
        }
    }
}
