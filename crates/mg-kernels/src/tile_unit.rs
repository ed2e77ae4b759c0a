//! Products of bf16 matrices by a processor's tile unit, and by plain code that stands in for one in tests.
#![allow(unsafe_code, reason = "products on raw pointers")]

use half::bf16;

use crate::format::{Format, Half};

/// Rows and columns of a product: two tiles by two.
pub(crate) const SIDE: usize = 32;
/// Values of a row that one tile holds.
pub(crate) const DEPTH: usize = 32;
/// Values of `SIDE` rows of `DEPTH`.
pub(crate) const CHUNK: usize = SIDE * DEPTH;

/// Multiplies a panel by weights: `sums[i][o] (+)= sum over k: panel[i][k] * weights[k][o]`, where
/// - `panel` is `[chunks][tile of 16 rows][row][32 values]`,
/// - `weights` is `[chunks][tile of 16 columns][16 pairs of values][column][2]`,
/// - `sums` is `[32][32]`, added to if `add`.
pub(crate) struct Product<P: Format> {
    pub(crate) panel: *const P::Stored,
    pub(crate) weights: *const P::Stored,
    pub(crate) chunks: usize,
    pub(crate) sums: *mut P::Elem,
    pub(crate) add: bool,
}

/// A unit that computes a [`Product`].
///
/// Invariant: only used on a processor that has it, since `begin`, `end` and `multiply` may be instructions of its own.
pub(crate) struct TileUnit<P: Format> {
    pub(crate) begin: unsafe fn(),
    pub(crate) end: unsafe fn(),
    pub(crate) multiply: unsafe fn(&Product<P>),
}

impl<P: Format> TileUnit<P> {
    /// Runs `work` with this thread's unit ready for [`multiply`](Self::multiply).
    pub(crate) fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        struct End(unsafe fn());
        impl Drop for End {
            fn drop(&mut self) {
                // SAFETY: the processor has the unit, by the invariant.
                unsafe { (self.0)() }
            }
        }
        // SAFETY: the processor has the unit, by the invariant.
        unsafe { (self.begin)() };
        let _end = End(self.end);
        work()
    }

    /// # Safety
    /// Within [`with`](Self::with); the product's pointers are valid for what its documentation says.
    pub(crate) unsafe fn multiply(&self, product: &Product<P>) {
        // SAFETY: the caller's contract.
        unsafe { (self.multiply)(product) }
    }
}

/// What the unit computes, in plain code.
///
/// # Safety
/// The product's pointers are valid for what its documentation says.
unsafe fn multiply_plainly(product: &Product<Half>) {
    let Product { panel, weights, chunks, sums, add } = *product;
    for (i, o) in (0..SIDE).flat_map(|i| (0..SIDE).map(move |o| (i, o))) {
        // SAFETY: the caller's contract.
        unsafe {
            let to = sums.add(i * SIDE + o);
            let mut sum = if add { *to } else { 0.0 };
            for (chunk, k) in (0..chunks).flat_map(|chunk| (0..DEPTH).map(move |k| (chunk, k))) {
                let x = *panel.add(chunk * CHUNK + i * DEPTH + k);
                let w = *weights.add(chunk * CHUNK + (o / 16 * 16 + k / 2) * 32 + o % 16 * 2 + k % 2);
                sum += x.to_f32() * w.to_f32();
            }
            *to = sum;
        }
    }
}

unsafe fn nothing() {}

/// The stand-in, which every processor has.
pub(crate) static PLAIN: TileUnit<Half> =
    TileUnit { begin: nothing, end: nothing, multiply: multiply_plainly };

/// Whether a unit computes what the stand-in does, but for rounding.
pub(crate) fn agrees(unit: &TileUnit<Half>) -> bool {
    const CHUNKS: usize = 3;
    let ramp = |step: usize| -> Vec<bf16> {
        let value = |i: usize| bf16::from_f32((i * step % 61) as f32 / 16.0 - 1.9);
        (0..CHUNKS * CHUNK).map(value).collect()
    };
    let (panel, weights) = (ramp(7), ramp(11));
    let run = |unit: &TileUnit<Half>, add: bool| {
        let mut sums = vec![0.5f32; SIDE * SIDE];
        let (panel, weights) = (panel.as_ptr(), weights.as_ptr());
        let product = Product { panel, weights, chunks: CHUNKS, sums: sums.as_mut_ptr(), add };
        // SAFETY: panel and weights hold `CHUNKS` chunks, the sums 32 x 32 values.
        unit.with(|| unsafe { unit.multiply(&product) });
        sums
    };
    [false, true].into_iter().all(|add| {
        let (found, expected) = (run(unit, add), run(&PLAIN, add));
        found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-3 * b.abs().max(1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_is_a_product_of_matrices() {
        // One value of the panel, one weight: the product lands where it should.
        for (i, k, o) in [(0, 0, 0), (17, 33, 5), (31, 63, 31), (15, 30, 16)] {
            let (mut panel, mut weights) = (vec![bf16::ZERO; 2 * CHUNK], vec![bf16::ZERO; 2 * CHUNK]);
            panel[k / 32 * CHUNK + i * 32 + k % 32] = bf16::from_f32(3.0);
            let pair = k % 32 / 2;
            weights[k / 32 * CHUNK + o / 16 * 512 + pair * 32 + o % 16 * 2 + k % 2] = bf16::from_f32(0.5);
            let mut sums = vec![f32::NAN; SIDE * SIDE];
            let (panel, weights) = (panel.as_ptr(), weights.as_ptr());
            let product = Product { panel, weights, chunks: 2, sums: sums.as_mut_ptr(), add: false };
            // SAFETY: two chunks each, 32 x 32 sums.
            PLAIN.with(|| unsafe { PLAIN.multiply(&product) });
            let expected = |at: usize| if at == i * SIDE + o { 1.5 } else { 0.0 };
            assert!(sums.iter().enumerate().all(|(at, sum)| *sum == expected(at)));
        }
    }

    #[test]
    fn a_unit_that_computes_something_else_is_found_out() {
        let wrong = TileUnit::<Half> { begin: nothing, end: nothing, multiply: |_| {} };
        assert!(!agrees(&wrong) && agrees(&PLAIN));
    }
}
