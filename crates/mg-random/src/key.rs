use rayon::prelude::*;

use crate::normal::box_muller;
use crate::philox::{LANES, Use, block, blocks, unit};
use crate::{Permutation, Stream};

/// A name for randomness: derive children with [`fold`](Key::fold) and [`named`](Key::named), then draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// Values per parallel piece of a fill; the values do not depend on it.
const PIECE: usize = 1 << 14;

impl Key {
    /// The root key of a seed.
    pub fn new(seed: u64) -> Self {
        Key(seed).named("multigrid")
    }

    /// The child with number `index`: an iteration, an image, a grid.
    pub fn fold(self, index: u64) -> Self {
        Key(first_64(block(self.0, index, Use::Fold)))
    }

    /// The child with name `name`: what the numbers are for.
    pub fn named(self, name: &str) -> Self {
        Key(first_64(block(self.0, fnv1a(name), Use::Name)))
    }

    /// The key as 64 bits, for generators outside this crate.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// A sequence of draws from this key.
    pub fn stream(self) -> Stream {
        Stream::new(self.0)
    }

    /// A pseudo-random order of `0..len`, in constant memory.
    pub fn permutation(self, len: u64) -> Permutation {
        Permutation::new(std::array::from_fn(|round| self.fold(round as u64).bits()), len)
    }

    /// Fills `out` with uniform numbers in [0, 1), in parallel; element `i` depends on the key and `i` only.
    pub fn fill_uniform(self, out: &mut [f32]) {
        self.fill::<false>(0, out);
    }

    /// Fills `out` with standard normal numbers, in parallel; element `i` depends on the key and `i` only.
    pub fn fill_normal(self, out: &mut [f32]) {
        self.fill::<true>(0, out);
    }

    /// What [`fill_uniform`](Key::fill_uniform) puts into a longer slice from element `first` on.
    pub fn fill_uniform_from(self, first: u64, out: &mut [f32]) {
        self.fill::<false>(first, out);
    }

    /// What [`fill_normal`](Key::fill_normal) puts into a longer slice from element `first` on.
    pub fn fill_normal_from(self, first: u64, out: &mut [f32]) {
        self.fill::<true>(first, out);
    }

    /// Element 4 b + w is drawn from word w of block b.
    fn fill<const NORMAL: bool>(self, first: u64, out: &mut [f32]) {
        // The processor's widest vectors, found at run time: the same operations in the same order, so the same bits.
        let arch = pulp::Arch::new();
        let mut block = first / 4;
        let inside = (first % 4) as usize;
        let mut out = out;
        if inside > 0 && !out.is_empty() {
            let mut four = [0f32; 4];
            arch.dispatch(Piece::<NORMAL> { key: self.0, first: block, out: &mut four });
            let (head, rest) = out.split_at_mut(out.len().min(4 - inside));
            head.copy_from_slice(&four[inside..inside + head.len()]);
            (block, out) = (block + 1, rest);
        }
        out.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| {
            let first = block + (piece * PIECE / 4) as u64;
            arch.dispatch(Piece::<NORMAL> { key: self.0, first, out });
        });
    }
}

/// A part of a fill, from block `first` on.
struct Piece<'a, const NORMAL: bool> {
    key: u64,
    first: u64,
    out: &'a mut [f32],
}

impl<const NORMAL: bool> pulp::NullaryFnOnce for Piece<'_, NORMAL> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut index = self.first;
        for some in self.out.chunks_mut(4 * LANES) {
            let [a, b, c, d] = blocks(self.key, index, Use::Fill);
            let mut values = [[0.0; LANES]; 4];
            for lane in 0..LANES {
                let words = [a[lane], b[lane], c[lane], d[lane]];
                let drawn = match NORMAL {
                    true => {
                        let (first, second) =
                            (box_muller(words[0], words[1]), box_muller(words[2], words[3]));
                        [first.0, first.1, second.0, second.1]
                    }
                    false => words.map(unit),
                };
                for (row, value) in values.iter_mut().zip(drawn) {
                    row[lane] = value;
                }
            }
            for (lane, four) in some.chunks_mut(4).enumerate() {
                four.iter_mut().zip(&values).for_each(|(out, word)| *out = word[lane]);
            }
            index += LANES as u64;
        }
    }
}

fn first_64(words: [u32; 4]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_differ_from_each_other_and_from_their_parent() {
        let key = Key::new(0);
        let children = [key, key.fold(0), key.fold(1), key.named(""), key.named("a"), key.named("b")];
        for (i, a) in children.iter().enumerate() {
            assert!(children[i + 1..].iter().all(|b| a != b), "child {i} is not alone");
        }
        assert_ne!(key.fold(1).named("a"), key.named("a").fold(1));
    }

    #[test]
    fn a_prefix_of_a_fill_is_the_fill_of_the_prefix() {
        let (mut long, mut short) = (vec![0f32; 3 * PIECE + 5], vec![0f32; PIECE + 3]);
        Key::new(3).fill_normal(&mut long);
        Key::new(3).fill_normal(&mut short);
        assert_eq!(long[..short.len()], short[..]);
    }

    #[test]
    fn a_part_of_a_fill_is_that_part_of_the_whole() {
        let key = Key::new(4);
        let mut whole = vec![0f32; 2 * PIECE + 9];
        key.fill_normal(&mut whole);
        for (first, len) in
            [(0, 5), (1, 1), (1, 3), (2, 2), (3, PIECE + 2), (PIECE - 1, PIECE + 3), (8, 0), (9, 0)]
        {
            let mut part = vec![0f32; len];
            key.fill_normal_from(first as u64, &mut part);
            assert_eq!(part, whole[first..first + len], "{len} from {first}");
        }
        let (mut uniforms, mut part) = (vec![0f32; 90], vec![0f32; 40]);
        key.fill_uniform(&mut uniforms);
        key.fill_uniform_from(37, &mut part);
        assert_eq!(part, uniforms[37..77]);
    }

    #[test]
    fn wide_vectors_give_the_bits_of_numbers_one_by_one() {
        let (key, n) = (Key::new(9), 2 * PIECE + 7);
        let (mut normals, mut uniforms) = (vec![0f32; n], vec![0f32; n]);
        key.fill_normal(&mut normals);
        key.fill_uniform(&mut uniforms);
        for i in 0..n {
            let words = block(key.bits(), (i / 4) as u64, Use::Fill);
            let (first, second) = box_muller(words[i % 4 / 2 * 2], words[i % 4 / 2 * 2 + 1]);
            let normal = if i % 2 == 0 { first } else { second };
            assert_eq!(normals[i].to_bits(), normal.to_bits(), "{i}");
            assert_eq!(uniforms[i].to_bits(), unit(words[i % 4]).to_bits(), "{i}");
        }
    }

    #[test]
    fn fills_are_the_same_on_one_and_two_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0f32; 100_000];
            pool.install(|| Key::new(5).fill_normal(&mut out));
            out
        };
        assert_eq!(on(1), on(2));
    }

    #[test]
    fn normals_have_the_moments_of_the_normal() {
        let n = 4_000_000;
        let mut x = vec![0f32; n];
        Key::new(11).fill_normal(&mut x);
        let moment = |p: i32| x.iter().map(|&v| f64::from(v).powi(p)).sum::<f64>() / n as f64;
        // Five standard errors of each sample moment of a standard normal.
        let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        assert!(moment(1).abs() < bound(1.0));
        assert!((moment(2) - 1.0).abs() < bound(2.0));
        assert!(moment(3).abs() < bound(15.0));
        assert!((moment(4) - 3.0).abs() < bound(96.0));
        assert!(x.iter().all(|v| v.is_finite() && v.abs() < 7.0));
    }

    #[test]
    fn uniforms_fill_the_unit_interval_evenly() {
        let n = 1_000_000;
        let mut x = vec![0f32; n];
        Key::new(12).fill_uniform(&mut x);
        let mut bins = [0f64; 16];
        for v in &x {
            bins[(v * 16.0) as usize] += 1.0;
        }
        let expected = n as f64 / 16.0;
        let chi2: f64 = bins.iter().map(|b| (b - expected).powi(2) / expected).sum();
        assert!(chi2 < 50.0, "chi-squared {chi2} with 15 degrees of freedom");
    }
}
