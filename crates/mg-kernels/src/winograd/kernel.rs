//! Kernels at all frequencies, and the adjoint of that: a vector of output channels at once.
#![allow(unsafe_code, reason = "vector units on checked addresses")]

use super::filter::{POINTS, Sizes, evaluation, points, taps};
use crate::aligned::Number;
use crate::element::Element;
use crate::simd::{ElemOf, Simd, Unit};

/// Entries of the largest kernel, whose rows hold three each.
pub(crate) const ENTRIES: usize = 9;

/// Kernels of a vector of channels, `[entry][channel]`, and where each of their frequencies lies: `step` after the one before.
#[derive(Clone, Copy)]
pub(crate) struct KernelPass {
    pub(crate) sizes: Sizes,
    pub(crate) step: usize,
}

impl KernelPass {
    fn check(self, lanes: usize, entries: usize, frequencies: usize) {
        assert!(entries >= ENTRIES * lanes, "kernels are vectors");
        assert!(
            (self.sizes.frequencies() - 1) * self.step + lanes <= frequencies,
            "frequencies have no room"
        );
    }
}

/// `G g G^T` of kernels.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn transform_kernels<U: Unit>(pass: KernelPass, from: &[ElemOf<U>], to: &mut [ElemOf<U>]) {
    pass.check(U::Simd::LANES, from.len(), to.len());
    // SAFETY: the caller's contract; the buffers are large enough, checked above.
    unsafe {
        match (pass.sizes.rows, pass.sizes.columns) {
            (3, 3) => transform_by::<U, 3, 3>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (3, _) => transform_by::<U, 3, 4>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (4, 3) => transform_by::<U, 4, 3>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (4, _) => transform_by::<U, 4, 4>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (5, 5) => transform_by::<U, 5, 5>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (5, _) => transform_by::<U, 5, 6>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (_, 5) => transform_by::<U, 6, 5>(pass.step, from.as_ptr(), to.as_mut_ptr()),
            (_, _) => transform_by::<U, 6, 6>(pass.step, from.as_ptr(), to.as_mut_ptr()),
        }
    }
}

#[inline(always)]
unsafe fn transform_by<U: Unit, const ROWS: usize, const COLUMNS: usize>(
    step: usize,
    from: *const ElemOf<U>,
    to: *mut ElemOf<U>,
) {
    let (by_rows, by_columns) = const { (evaluation(ROWS), evaluation(COLUMNS)) };
    // SAFETY: the contract of `transform_kernels`.
    unsafe {
        let mut half = [[U::Simd::splat(ElemOf::<U>::ZERO); 3]; POINTS]; // [row point][column]
        for y in points(ROWS) {
            for (x, sum) in half[*y].iter_mut().enumerate().take(taps(COLUMNS)) {
                for (row, by) in by_rows[*y].iter().enumerate().take(taps(ROWS)) {
                    let entry = U::Simd::load(from.add((3 * row + x) * U::Simd::LANES));
                    *sum = U::Simd::mul_add(entry, U::Simd::splat(ElemOf::<U>::of(*by)), *sum);
                }
            }
        }
        for (i, y) in points(ROWS).iter().enumerate() {
            for (j, x) in points(COLUMNS).iter().enumerate() {
                let mut sum = U::Simd::splat(ElemOf::<U>::ZERO);
                for (column, by) in by_columns[*x].iter().enumerate().take(taps(COLUMNS)) {
                    sum = U::Simd::mul_add(half[*y][column], U::Simd::splat(ElemOf::<U>::of(*by)), sum);
                }
                U::Simd::store(to.add((i * points(COLUMNS).len() + j) * step), sum);
            }
        }
    }
}

/// `G^T u G`, the adjoint: from frequencies to kernels.
///
/// # Safety
/// The processor has `U`.
#[inline(always)]
pub(crate) unsafe fn gather_kernels<U: Unit>(pass: KernelPass, from: &[ElemOf<U>], to: &mut [ElemOf<U>]) {
    pass.check(U::Simd::LANES, to.len(), from.len());
    // SAFETY: the caller's contract; the buffers are large enough, checked above.
    unsafe {
        match pass.sizes.rows {
            3 => gather_by::<U, 3>(pass, from.as_ptr(), to.as_mut_ptr()),
            4 => gather_by::<U, 4>(pass, from.as_ptr(), to.as_mut_ptr()),
            5 => gather_by::<U, 5>(pass, from.as_ptr(), to.as_mut_ptr()),
            _ => gather_by::<U, 6>(pass, from.as_ptr(), to.as_mut_ptr()),
        }
    }
}

#[inline(always)]
unsafe fn gather_by<U: Unit, const SIZE: usize>(
    pass: KernelPass,
    from: *const ElemOf<U>,
    to: *mut ElemOf<U>,
) {
    assert_eq!(pass.sizes, Sizes { rows: SIZE, columns: SIZE });
    let by = const { evaluation(SIZE) };
    // SAFETY: the contract of `gather_kernels`.
    unsafe {
        let mut kernel = [[U::Simd::splat(ElemOf::<U>::ZERO); 3]; 3];
        for (i, y) in points(SIZE).iter().enumerate() {
            let mut half = [U::Simd::splat(ElemOf::<U>::ZERO); 3]; // [column]
            for (j, x) in points(SIZE).iter().enumerate() {
                let value = U::Simd::load(from.add((i * points(SIZE).len() + j) * pass.step));
                for (sum, by) in half.iter_mut().zip(by[*x]).take(taps(SIZE)) {
                    *sum = U::Simd::mul_add(value, U::Simd::splat(ElemOf::<U>::of(by)), *sum);
                }
            }
            for (row, by) in kernel.iter_mut().zip(by[*y]).take(taps(SIZE)) {
                for (sum, half) in row.iter_mut().zip(half) {
                    *sum = U::Simd::mul_add(half, U::Simd::splat(ElemOf::<U>::of(by)), *sum);
                }
            }
        }
        for (at, value) in kernel.into_iter().flatten().enumerate() {
            U::Simd::store(to.add(at * U::Simd::LANES), value);
        }
    }
}
