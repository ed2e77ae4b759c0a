use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::Simd;

/// 512-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<E>(PhantomData<E>);

macro_rules! avx512 {
    ($elem:ty, $vector:ty, $lanes:expr, $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $fma:ident, $cmp:ident, $blend:ident, $min:ident, $max:ident, $round:ident, $scale:ident) => {
        // SAFETY (all blocks): the trait's contract puts AVX-512F behind every call and `LANES` elements behind every
        // pointer; the intrinsics ask for nothing else.
        impl Simd for Avx512<$elem> {
            type Elem = $elem;
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: $elem) -> $vector {
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> $vector {
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $elem, v: $vector) {
                unsafe { $store(to, v) }
            }
            #[inline(always)]
            unsafe fn add(a: $vector, b: $vector) -> $vector {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn sub(a: $vector, b: $vector) -> $vector {
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            unsafe fn mul(a: $vector, b: $vector) -> $vector {
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            unsafe fn div(a: $vector, b: $vector) -> $vector {
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            unsafe fn mul_add(a: $vector, b: $vector, c: $vector) -> $vector {
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            unsafe fn if_positive(v: $vector, yes: $vector, no: $vector) -> $vector {
                unsafe { $blend($cmp::<_CMP_GT_OQ>(v, $splat(0.0)), no, yes) }
            }
            #[inline(always)]
            unsafe fn min(a: $vector, b: $vector) -> $vector {
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            unsafe fn max(a: $vector, b: $vector) -> $vector {
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            unsafe fn round(v: $vector) -> $vector {
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
            }
            #[inline(always)]
            unsafe fn power_of_two(v: $vector) -> $vector {
                unsafe { $scale($splat(1.0), v) }
            }
        }
    };
}

avx512!(
    f32,
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    _mm512_roundscale_ps,
    _mm512_scalef_ps
);
avx512!(
    f64,
    __m512d,
    8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_fmadd_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd,
    _mm512_min_pd,
    _mm512_max_pd,
    _mm512_roundscale_pd,
    _mm512_scalef_pd
);
