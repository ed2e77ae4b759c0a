//! Fixed-point products by AVX-512 VNNI, which multiplies and sums pairs of 16-bit integers.
#![allow(unsafe_code, reason = "vector instructions on raw pointers")]

use std::arch::x86_64::*;

use super::fixed::{FixedKernels, FixedTile};
use super::quantize::{quantize, quantize_weights};
use crate::simd::Avx512;

#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
unsafe fn quantize_512(row: &[f32], bound: f32, to: &mut [i16]) -> f32 {
    // SAFETY: the processor has AVX-512F, the caller's contract.
    unsafe { quantize::<Avx512<f32>>(row, bound, to) }
}

#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
unsafe fn quantize_weights_512(weights: &[f32], limit: f32, units: &mut [f32], to: &mut [i16]) {
    // SAFETY: the processor has AVX-512F, the caller's contract.
    unsafe { quantize_weights::<Avx512<f32>>(weights, limit, units, to) }
}

/// # Safety
/// As for the portable one, and the processor has AVX-512F and AVX512-VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn products<const MR: usize, const NV: usize>(tile: &FixedTile<f32>) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); NV]; MR];
        let mut weights = tile.weights;
        for k in 0..tile.pairs {
            let mut w = [_mm512_setzero_si512(); NV];
            for (v, w) in w.iter_mut().enumerate() {
                *w = _mm512_loadu_si512(weights.add(v * 32).cast());
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_epi32(tile.input[i].cast::<i32>().add(k).read_unaligned());
                for v in 0..NV {
                    sums[v] = _mm512_dpwssd_epi32(sums[v], x, w[v]);
                }
            }
            weights = weights.add(NV * 32);
        }
        // As in `tile::convolve`: sums that a loop below does not unroll would not stay in registers above.
        let sums = std::hint::black_box(sums);
        for (i, sums) in sums.iter().enumerate().take(tile.rows) {
            for (v, sum) in sums.iter().enumerate() {
                let unit = _mm512_mul_ps(
                    _mm512_set1_ps(tile.units[i]),
                    _mm512_loadu_ps(tile.weight_units.add(v * 16)),
                );
                _mm512_storeu_ps(tile.output[i].add(v * 16), _mm512_mul_ps(_mm512_cvtepi32_ps(*sum), unit));
            }
        }
    }
}

macro_rules! rows {
    ($($rows:literal),*) => { &[$(($rows, [products::<$rows, 1>, products::<$rows, 2>])),*] };
}

/// For processors with AVX-512F, BW and VNNI.
pub(crate) static VNNI: FixedKernels<f32> = FixedKernels {
    lanes: 16,
    tiles: rows!(14, 12, 10, 8, 6, 4, 2),
    quantize: quantize_512,
    quantize_weights: quantize_weights_512,
};
