//! The tile unit of Intel processors (AMX), on Linux.
#![allow(unsafe_code, reason = "tile instructions on raw pointers")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::OnceLock;

use crate::format::Half;
use crate::tile_unit::{CHUNK, Product, SIDE, TileUnit, agrees};

/// This processor's unit, if it has one, the system lets this process use it, and it computes what it should.
pub(crate) fn unit() -> Option<&'static TileUnit<Half>> {
    static USABLE: OnceLock<bool> = OnceLock::new();
    USABLE.get_or_init(|| granted() && agrees(&AMX)).then_some(&AMX)
}

static AMX: TileUnit<Half> = TileUnit { begin, end, multiply };

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
static SHAPES: Shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: ALL, rows: ROWS };

/// Whether the processor has tiles and products of bf16, and the system saves and grants them to this process.
fn granted() -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_granted_computes_what_it_should_and_no_other_is_used() {
        assert_eq!(unit().is_some(), granted());
    }
}
