//! The Philox 4x32-10 block function.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Counters that go through the rounds side by side, for compilers to vectorise.
pub(crate) const LANES: usize = 16;

/// Four uniform words for one counter under one key.
#[inline(always)]
pub(crate) fn philox(key: u64, counter: [u32; 4]) -> [u32; 4] {
    philox_lanes(key, counter.map(|word| [word])).map(|[word]| word)
}

/// [`philox`] for N counters: `counters[i][lane]` is word i of a lane's counter.
#[inline(always)]
pub(crate) fn philox_lanes<const N: usize>(key: u64, counters: [[u32; N]; 4]) -> [[u32; N]; 4] {
    let mut k = [key as u32, (key >> 32) as u32];
    let mut c = counters;
    for _ in 0..10 {
        let before = c;
        for lane in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(before[0][lane]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(before[2][lane]);
            c[0][lane] = (b >> 32) as u32 ^ before[1][lane] ^ k[0];
            c[1][lane] = b as u32;
            c[2][lane] = (a >> 32) as u32 ^ before[3][lane] ^ k[1];
            c[3][lane] = a as u32;
        }
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

/// The blocks `index`, `index + 1`, ... of one use, word by word.
#[inline(always)]
pub(crate) fn blocks(key: u64, index: u64, purpose: Use) -> [[u32; LANES]; 4] {
    let number = |lane: usize| index + lane as u64;
    let low = std::array::from_fn(|lane| number(lane) as u32);
    let high = std::array::from_fn(|lane| (number(lane) >> 32) as u32);
    philox_lanes(key, [low, high, [purpose as u32; LANES], [0; LANES]])
}

/// The upper 24 bits of a word as a number in [0, 1).
#[inline(always)]
pub(crate) fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_side_by_side_are_the_blocks_one_by_one() {
        let first = u64::from(u32::MAX) - 3; // the carry into the upper half happens within
        let words = blocks(77, first, Use::Fill);
        for lane in 0..LANES {
            assert_eq!(words.map(|w| w[lane]), block(77, first + lane as u64, Use::Fill));
        }
    }

    /// Known answers of the authors' reference distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox(0, [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox(u64::MAX, [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }
}
