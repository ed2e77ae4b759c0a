//! Products of bf16 matrices by a processor's tile unit (Intel AMX), and by plain code that stands in for it in tests.
#![allow(unsafe_code, reason = "tile instructions on raw pointers")]

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
/// Invariant: made by this module, for a processor that has it.
pub(crate) struct TileUnit<P: Format> {
    begin: unsafe fn(),
    end: unsafe fn(),
    multiply: unsafe fn(&Product<P>),
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

/// This processor's unit, if it has one, the system lets this process use it, and it computes what it should.
pub(crate) fn unit() -> Option<&'static TileUnit<Half>> {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static USABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        USABLE.get_or_init(|| x86::granted() && agrees(&x86::AMX)).then_some(&x86::AMX)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    None
}

/// Whether a unit computes what the stand-in does, but for rounding.
fn agrees(unit: &TileUnit<Half>) -> bool {
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

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    use super::{CHUNK, Product, SIDE, TileUnit};
    use crate::format::Half;

    pub(super) static AMX: TileUnit<Half> = TileUnit { begin, end, multiply };

    /// Shapes of the tiles (LDTILECFG's operand): 16 rows of 64 bytes each.
    #[repr(C, align(64))]
    struct Shapes {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    const ALL: [u16; 16] = [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0];
    const ROWS: [u8; 16] = [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0];
    static SHAPES: Shapes =
        Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: ALL, rows: ROWS };

    /// Whether the processor has tiles and products of bf16, and the system saves and grants them to this process.
    pub(super) fn granted() -> bool {
        const OSXSAVE: u32 = 1 << 27;
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        const TILE_STATE: u64 = 0b11 << 17;
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        if features & AMX_BF16 == 0 || features & AMX_TILE == 0 {
            return false;
        }
        // SAFETY: the system has enabled XSAVE, checked above.
        if unsafe { enabled_states() } & TILE_STATE != TILE_STATE {
            return false;
        }
        // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA), for this process and all its threads.
        let answer: i64;
        // SAFETY: this system call only sets a flag of the process.
        unsafe {
            asm!("syscall", inlateout("rax") 158i64 => answer, in("rdi") 0x1023u64, in("rsi") 18u64,
                 out("rcx") _, out("r11") _, options(nostack));
        }
        answer == 0
    }

    #[target_feature(enable = "xsave")]
    unsafe fn enabled_states() -> u64 {
        // SAFETY: the caller's contract.
        unsafe { _xgetbv(0) }
    }

    /// # Safety
    /// The processor has tiles, granted.
    unsafe fn begin() {
        // SAFETY: the caller's contract; the operand is 64 bytes of valid shapes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &SHAPES, options(nostack, readonly)) }
    }

    /// # Safety
    /// As for [`begin`].
    unsafe fn end() {
        // SAFETY: the caller's contract.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    /// # Safety
    /// After [`begin`] on this thread; the product's pointers are valid for what its documentation says.
    unsafe fn multiply(product: &Product<Half>) {
        let Product { panel, weights, chunks, sums, add } = *product;
        let row = SIDE * size_of::<f32>();
        // SAFETY: the caller's contract. Tiles 0 to 3 are the sums, 4 and 5 the panel's, 6 and 7 the weights'; no code
        // but this one uses tiles.
        unsafe {
            let (top, bottom) = (sums, sums.add(16 * SIDE));
            if add {
                asm!(
                    "tileloadd tmm0, [{top} + {row}]",
                    "tileloadd tmm1, [{top} + {row} + 64]",
                    "tileloadd tmm2, [{bottom} + {row}]",
                    "tileloadd tmm3, [{bottom} + {row} + 64]",
                    top = in(reg) top, bottom = in(reg) bottom, row = in(reg) row,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    options(nostack, readonly),
                );
            } else {
                asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    options(nostack, nomem),
                );
            }
            asm!(
                "test {n}, {n}",
                "jz 3f",
                "2:",
                "tileloadd tmm4, [{panel} + {line}]",
                "tileloadd tmm6, [{weights} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + {line} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{panel} + {line} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {panel}, {step}",
                "add {weights}, {step}",
                "dec {n}",
                "jnz 2b",
                "3:",
                "tilestored [{top} + {row}], tmm0",
                "tilestored [{top} + {row} + 64], tmm1",
                "tilestored [{bottom} + {row}], tmm2",
                "tilestored [{bottom} + {row} + 64], tmm3",
                n = inout(reg) chunks => _,
                panel = inout(reg) panel => _,
                weights = inout(reg) weights => _,
                line = in(reg) 64usize,
                step = const CHUNK * 2,
                top = in(reg) top, bottom = in(reg) bottom, row = in(reg) row,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
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
    fn the_processors_unit_agrees_where_there_is_one() {
        match unit() {
            Some(unit) => assert!(agrees(unit)),
            None => println!("skipped: no AMX here, or not granted"),
        }
        let wrong = TileUnit::<Half> { begin: nothing, end: nothing, multiply: |_| {} };
        assert!(!agrees(&wrong) && agrees(&PLAIN));
    }
}
