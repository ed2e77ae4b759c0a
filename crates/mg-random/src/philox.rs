//! The Philox 4x32-10 block function.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Four uniform words for one counter under one key.
#[inline(always)]
pub(crate) fn philox(key: u64, counter: [u32; 4]) -> [u32; 4] {
    let mut k = [key as u32, (key >> 32) as u32];
    let mut c = counter;
    for _ in 0..10 {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
        k[0] = k[0].wrapping_add(WEYL[0]);
        k[1] = k[1].wrapping_add(WEYL[1]);
    }
    c
}

/// What a block is used for: no two uses ever share a counter.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Use {
    Fold = 1,
    Name = 2,
    Stream = 3,
    Fill = 4,
}

/// The block number `index` of one use.
#[inline(always)]
pub(crate) fn block(key: u64, index: u64, purpose: Use) -> [u32; 4] {
    philox(key, [index as u32, (index >> 32) as u32, purpose as u32, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' reference distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox(0, [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox(u64::MAX, [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }
}
