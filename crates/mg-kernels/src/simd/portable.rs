use std::marker::PhantomData;

use half::bf16;

use super::{HalfSimd, Simd};

/// Arrays of four: two SSE registers or one NEON register in f32.
#[derive(Clone, Copy)]
pub(crate) struct Portable<E>(PhantomData<E>);

const LANES: usize = 4;

fn zip<E: Copy>(a: [E; LANES], b: [E; LANES], f: impl Fn(E, E) -> E) -> [E; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

macro_rules! portable {
    ($elem:ty, $bits:ty, $mantissa:expr, $bias:expr) => {
        impl Simd for Portable<$elem> {
            type Elem = $elem;
            type Vector = [$elem; LANES];
            const LANES: usize = LANES;

            #[inline(always)]
            unsafe fn splat(value: $elem) -> Self::Vector {
                [value; LANES]
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self::Vector {
                // SAFETY: valid for `LANES` elements by the trait's contract.
                unsafe { from.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $elem, v: Self::Vector) {
                // SAFETY: valid for `LANES` elements by the trait's contract.
                unsafe { to.cast::<Self::Vector>().write_unaligned(v) }
            }
            #[inline(always)]
            unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| a + b)
            }
            #[inline(always)]
            unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| a - b)
            }
            #[inline(always)]
            unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| a * b)
            }
            #[inline(always)]
            unsafe fn div(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| a / b)
            }
            #[inline(always)]
            unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // Without a fused instruction `mul_add` is a library call.
                if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                    std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
                } else {
                    std::array::from_fn(|i| a[i] * b[i] + c[i])
                }
            }
            #[inline(always)]
            unsafe fn if_positive(v: Self::Vector, yes: Self::Vector, no: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if v[i] > 0.0 { yes[i] } else { no[i] })
            }
            #[inline(always)]
            unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| if a < b { a } else { b })
            }
            #[inline(always)]
            unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                zip(a, b, |a, b| if a > b { a } else { b })
            }
            #[inline(always)]
            unsafe fn round(v: Self::Vector) -> Self::Vector {
                v.map(<$elem>::round_ties_even)
            }
            #[inline(always)]
            unsafe fn power_of_two(v: Self::Vector) -> Self::Vector {
                v.map(|v| <$elem>::from_bits(((v as i64 + $bias) as $bits) << $mantissa))
            }
        }
    };
}

portable!(f32, u32, 23, 127);
portable!(f64, u64, 52, 1023);

// SAFETY (all blocks): the trait's contract puts as many values behind the pointers.
impl HalfSimd for Portable<f32> {
    #[inline(always)]
    unsafe fn widen(from: *const bf16) -> [f32; LANES] {
        unsafe { from.cast::<[bf16; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn narrow(to: *mut bf16, v: [f32; LANES]) {
        unsafe { to.cast::<[bf16; LANES]>().write_unaligned(v.map(bf16::from_f32)) }
    }
    #[inline(always)]
    unsafe fn widen_pairs(from: *const bf16) -> [[f32; LANES]; 2] {
        let pairs = unsafe { from.cast::<[[bf16; 2]; LANES]>().read_unaligned() };
        [pairs.map(|pair| f32::from(pair[0])), pairs.map(|pair| f32::from(pair[1]))]
    }
    #[inline(always)]
    unsafe fn narrow_i16(to: *mut i16, v: [f32; LANES]) {
        unsafe { to.cast::<[i16; LANES]>().write_unaligned(v.map(|v| v.round_ties_even() as i16)) }
    }
}
