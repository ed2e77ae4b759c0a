//! Rows and columns as integers.
#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::fixed_weights::MOST;
use crate::simd::HalfSimd;

/// Scales a row to integers whose sizes sum to at most `bound`; returns what one is worth.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn quantize<S: HalfSimd>(row: &[f32], bound: f32, to: &mut [i16]) -> f32 {
    assert!(row.len() == to.len() && row.len().is_multiple_of(S::LANES) && S::LANES <= 16);
    // SAFETY: the caller's contract; all addresses lie in the slices, of equal length.
    unsafe {
        let zero = S::splat(0.0);
        let (mut most, mut sum) = (zero, zero);
        for c in (0..row.len()).step_by(S::LANES) {
            let v = S::load(row.as_ptr().add(c));
            let size = S::max(v, S::sub(zero, v));
            (most, sum) = (S::max(most, size), S::add(sum, size));
        }
        let (mut mosts, mut sums) = ([0f32; 16], [0f32; 16]);
        S::store(mosts.as_mut_ptr(), most);
        S::store(sums.as_mut_ptr(), sum);
        let (most, sum) = (mosts.into_iter().fold(0.0, f32::max), sums.into_iter().sum::<f32>());
        // What is no number, or infinite, makes the sum so: it must come out again.
        let unit = if sum.is_finite() { (most / MOST).max(sum / bound) } else { f32::NAN };
        let scale = S::splat(if unit > 0.0 { 1.0 / unit } else { 0.0 });
        for c in (0..row.len()).step_by(S::LANES) {
            S::narrow_i16(to.as_mut_ptr().add(c), S::mul(S::load(row.as_ptr().add(c)), scale));
        }
        unit
    }
}

/// Scales every column of `weights`, `[depth][channels]`, to integers up to `limit`, pairs of them side by side; `units` takes
/// what one is worth.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn quantize_weights<S: HalfSimd>(
    weights: &[f32],
    limit: f32,
    units: &mut [f32],
    to: &mut [i16],
) {
    let width = units.len();
    let depth = weights.len() / width;
    assert!(width.is_multiple_of(S::LANES) && S::LANES <= 16 && weights.len() == depth * width);
    assert_eq!(to.len(), 2 * width * depth.div_ceil(2));
    // SAFETY: the caller's contract; all addresses lie in the slices, by the assertions.
    unsafe {
        let zero = S::splat(0.0);
        for c in (0..width).step_by(S::LANES) {
            let at = |row: usize| S::load(weights.as_ptr().add(row * width + c));
            let (mut most, mut sum) = (zero, zero);
            for row in 0..depth {
                let v = at(row);
                let size = S::max(v, S::sub(zero, v));
                (most, sum) = (S::max(most, size), S::add(sum, size));
            }
            // What is no number, or infinite, makes the sum so: it must come out again.
            let unit = S::add(S::div(most, S::splat(limit)), S::mul(sum, zero));
            S::store(units.as_mut_ptr().add(c), unit);
            let scale = S::if_positive(unit, S::div(S::splat(limit), most), zero);
            let mut halves = [[0i16; 16]; 2];
            for (pair, to) in to.chunks_exact_mut(2 * width).enumerate() {
                S::narrow_i16(halves[0].as_mut_ptr(), S::mul(at(2 * pair), scale));
                let second = if 2 * pair + 1 < depth { at(2 * pair + 1) } else { zero };
                S::narrow_i16(halves[1].as_mut_ptr(), S::mul(second, scale));
                for (lane, to) in to[2 * c..][..2 * S::LANES].chunks_exact_mut(2).enumerate() {
                    (to[0], to[1]) = (halves[0][lane], halves[1][lane]);
                }
            }
        }
    }
}
