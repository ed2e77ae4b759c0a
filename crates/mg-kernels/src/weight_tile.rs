//! The innermost loop of a weight gradient: a tile of input values by output channels, whose sums stay in registers.
#![allow(unsafe_code, reason = "raw pointers and vector units")]

use crate::element::Element;
use crate::format::Format;
use crate::simd::{ElemOf, Simd, Unit, prefetch};

/// One tile of a weight gradient: for input value i, channel o, over groups p of pixels
/// `into[i][o] += sum over p, g: input[input_at[p] + i][g] * grad[grad_at[p] + o][g]`.
pub(crate) struct WeightTile<'a, P: Format> {
    /// `[.., group]`.
    pub(crate) input: *const P::Stored,
    pub(crate) input_at: &'a [u32],
    /// `[.., group]`.
    pub(crate) grad: *const P::Stored,
    pub(crate) grad_at: &'a [u32],
    /// `[rows, channels of the tile]`.
    pub(crate) into: *mut P::Elem,
    /// Input values that count.
    pub(crate) rows: usize,
}

/// Groups of pixels that a tile asks for ahead of their use.
const AHEAD: usize = 4;

/// Computes a tile of `MR` input values by `NV` vectors of channels.
///
/// # Safety
/// The processor has `U`; every `input_at` is valid for reads of `MR` groups, every `grad_at` of `NV` vectors of them
/// (there are as many of them), and `into` for reads and writes of `rows * NV` vectors.
#[inline(always)]
pub(crate) unsafe fn weight_gradient<U: Unit, const MR: usize, const NV: usize>(
    tile: &WeightTile<U::Format>,
) {
    let (lanes, group) = (U::Simd::LANES, U::Format::GROUP);
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[U::Simd::splat(ElemOf::<U>::of(0.0)); NV]; MR];
        for p in 0..tile.input_at.len() {
            let x = tile.input.add(*tile.input_at.get_unchecked(p) as usize * group);
            let g = tile.grad.add(*tile.grad_at.get_unchecked(p) as usize * group);
            let mut w = [U::weights(g); NV];
            let ahead = (p + AHEAD).min(tile.input_at.len() - 1);
            prefetch(tile.input.add(*tile.input_at.get_unchecked(ahead) as usize * group));
            let later = tile.grad.add(*tile.grad_at.get_unchecked(ahead) as usize * group);
            for (v, w) in w.iter_mut().enumerate() {
                *w = U::weights(g.add(v * lanes * group));
                prefetch(later.add(v * lanes * group));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                for v in 0..NV {
                    row[v] = U::multiply_add(x.add(i * group), w[v], row[v]);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            if i < tile.rows {
                for (v, sum) in row.iter().enumerate() {
                    let to = tile.into.add((i * NV + v) * lanes);
                    U::Simd::store(to, U::Simd::add(U::Simd::load(to), *sum));
                }
            }
        }
    }
}
