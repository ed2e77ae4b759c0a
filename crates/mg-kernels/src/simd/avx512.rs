use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::bf16;

use super::{HalfSimd, Simd, Unit};
use crate::format::Half;

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

// SAFETY (all blocks): the trait's contract puts AVX-512F behind every call and as many values behind the pointers.
impl HalfSimd for Avx512<f32> {
    #[inline(always)]
    unsafe fn widen(from: *const bf16) -> __m512 {
        unsafe {
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(
                from.cast(),
            ))))
        }
    }
    #[inline(always)]
    unsafe fn narrow(to: *mut bf16, v: __m512) {
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            // Rounding could carry a NaN into an infinity.
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let rounded = _mm512_mask_blend_epi32(nan, rounded, _mm512_set1_epi32(0x7fc0_0000));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded)));
        }
    }
    #[inline(always)]
    unsafe fn widen_pairs(from: *const bf16) -> [__m512; 2] {
        unsafe {
            let pairs = _mm512_loadu_si512(from.cast());
            let odd = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(odd)]
        }
    }
    #[inline(always)]
    unsafe fn narrow_i16(to: *mut i16, v: __m512) {
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v))) }
    }
}

/// bf16 by the processor's own product of pairs (AVX512-BF16): twice the operations of f32.
#[derive(Clone, Copy)]
pub(crate) struct Dot;

// SAFETY (all blocks): the trait's contract puts AVX-512F and AVX512-BF16 behind every call and as many values behind
// the pointers; vectors of 32 halves are any 64 bytes.
impl Unit for Dot {
    type Format = Half;
    type Simd = Avx512<f32>;
    type Weights = __m512bh;

    #[inline(always)]
    unsafe fn load(from: *const bf16) -> __m512 {
        unsafe { Avx512::widen(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut bf16, v: __m512) {
        unsafe {
            _mm256_storeu_si256(to.cast(), std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v)))
        }
    }
    #[inline(always)]
    unsafe fn weights(from: *const bf16) -> __m512bh {
        unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn multiply_add(input: *const bf16, weights: __m512bh, sum: __m512) -> __m512 {
        unsafe {
            let pair = _mm512_set1_epi32(input.cast::<i32>().read_unaligned());
            _mm512_dpbf16_ps(sum, std::mem::transmute::<__m512i, __m512bh>(pair), weights)
        }
    }
}
