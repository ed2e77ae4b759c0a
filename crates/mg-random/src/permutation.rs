/// A pseudo-random order of `0..len` in constant memory: a Feistel network on the smallest even number of bits
/// that holds `len`, walked until it lands inside (Black and Rogaway, "Ciphers with arbitrary finite domains",
/// CT-RSA 2002). Sets of any size shuffle without an index in memory.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    len: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

pub(crate) const ROUNDS: usize = 6;

impl Permutation {
    /// The order that the keys of the rounds make.
    pub(crate) fn new(keys: [u64; ROUNDS], len: u64) -> Self {
        let bits = 64 - len.saturating_sub(1).leading_zeros();
        Permutation { len, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Number of positions.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there is nothing to order.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at `position`.
    ///
    /// # Panics
    /// When `position` is not below [`len`](Permutation::len).
    pub fn at(&self, position: u64) -> u64 {
        assert!(position < self.len, "position {position} of a permutation of {}", self.len);
        let mut x = position;
        loop {
            x = self.feistel(x);
            if x < self.len {
                return x;
            }
        }
    }

    /// The elements in order.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..self.len).map(move |position| self.at(position))
    }

    fn feistel(&self, x: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Key;

    proptest! {
        #[test]
        fn every_element_appears_once(seed: u64, len in 0u64..3000) {
            let mut seen: Vec<u64> = Key::new(seed).permutation(len).iter().collect();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..len));
        }
    }

    #[test]
    fn small_permutations_are_all_reached() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let order: Vec<u64> = Key::new(seed).permutation(3).iter().collect();
            *counts.entry(order).or_insert(0i32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&n| (n - 1000).abs() < 200), "{counts:?}");
    }

    #[test]
    fn huge_sets_need_no_memory() {
        let order = Key::new(0).permutation(1 << 40);
        assert!(order.at(123_456_789) < 1 << 40);
    }
}
