//! One number for every pair of rows: where the time of most scores goes.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Result;
use crate::blocks::{blocks, read};
use crate::features::Features;

/// What is summed over the columns of two rows x and y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// x y: the scalar product.
    Product,
    /// (x - y)^2: the squared distance. Exactly 0 for equal rows, which |x|^2 + |y|^2 - 2 x y is not.
    SquaredDifference,
}

/// Numbers for every pair of a block of rows of one table and a block of another.
pub(crate) struct PairBlock<'a> {
    first_a: usize,
    /// The number that the first of the block's rows of b has in its table.
    pub(crate) first_b: usize,
    columns: usize,
    /// [rows of a, columns]
    values: &'a [f64],
}

impl PairBlock<'_> {
    /// `f` of each row of a in the block: of its number and what it has with the block's rows of b.
    pub(crate) fn map<T: Send>(&self, f: impl Fn((usize, &[f64])) -> T + Send + Sync) -> Vec<T> {
        self.rows().map(f).collect()
    }

    /// Lets each row of a in the block change what is known of it; `known` has an element for every row of a.
    pub(crate) fn update<T: Send>(&self, known: &mut [T], f: impl Fn(&mut T, (usize, &[f64])) + Send + Sync) {
        let known = known.par_iter_mut().skip(self.first_a);
        known.zip(self.rows()).for_each(|(known, row)| f(known, row));
    }

    fn rows(&self) -> impl IndexedParallelIterator<Item = (usize, &[f64])> {
        let rows = self.values.par_chunks_exact(self.columns).enumerate();
        rows.map(|(i, values)| (self.first_a + i, values))
    }
}

/// Goes through all pairs of rows of two tables of one width, block by block: for each block of a, all of b.
pub(crate) fn for_each_block(
    a: &dyn Features,
    b: &dyn Features,
    of: Of,
    mut visit: impl FnMut(PairBlock<'_>),
) -> Result<()> {
    let dim = a.dim();
    let mut values = Vec::new();
    for rows_a in blocks(a) {
        let block_a = read(a, rows_a.clone())?;
        for rows_b in blocks(b) {
            let block_b = read(b, rows_b.clone())?;
            let columns = rows_b.len();
            values.resize(rows_a.len() * columns, 0.0);
            pairs(&block_a, &block_b, dim, of, &mut values);
            visit(PairBlock { first_a: rows_a.start, first_b: rows_b.start, columns, values: &values });
        }
    }
    Ok(())
}

/// Rows of a and of b whose sums are kept in registers together.
const TILE: (usize, usize) = (4, 3);

/// Rows of a that pass by every few rows of b: a megabyte of 2,048 columns, so that they stay in a core's cache.
const TOGETHER: usize = 16 * TILE.0;

/// out[i, j] = sum over k of what `of` says of a[i, k] and b[j, k]; a [m, dim], b [n, dim], out [m, n].
///
/// A sum's order depends on the processor's vectors, and on nothing else: not on the threads, nor on where in a
/// block the rows lie.
pub(crate) fn pairs(a: &[f64], b: &[f64], dim: usize, of: Of, out: &mut [f64]) {
    let n = b.len() / dim.max(1);
    if n == 0 || dim == 0 {
        return;
    }
    let arch = pulp::Arch::new();
    let some = out.par_chunks_mut(TOGETHER * n).zip(a.par_chunks(TOGETHER * dim));
    some.for_each(|(out, a)| match of {
        Of::Product => arch.dispatch(Rows::<false> { a, b, dim, out }),
        Of::SquaredDifference => arch.dispatch(Rows::<true> { a, b, dim, out }),
    });
}

/// Some rows of a with all rows of b.
struct Rows<'a, const DIFFERENCE: bool> {
    a: &'a [f64],
    b: &'a [f64],
    dim: usize,
    out: &'a mut [f64],
}

impl<const DIFFERENCE: bool> WithSimd for Rows<'_, DIFFERENCE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Rows { a, b, dim, out } = self;
        let (n, tall, wide) = (b.len() / dim, TILE.0 * dim, TILE.1 * dim);
        for (b, column) in b.chunks(wide).zip((0..n).step_by(TILE.1)) {
            for (a, out) in a.chunks(tall).zip(out.chunks_mut(TILE.0 * n)) {
                if a.len() == tall && b.len() == wide {
                    let sums = tile::<S, DIFFERENCE, { TILE.0 }, { TILE.1 }>(simd, a, b, dim);
                    for (out, sums) in out.chunks_exact_mut(n).zip(&sums) {
                        out[column..column + TILE.1].copy_from_slice(sums);
                    }
                    continue;
                }
                for (a, out) in a.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
                    for (b, out) in b.chunks_exact(dim).zip(&mut out[column..]) {
                        *out = tile::<S, DIFFERENCE, 1, 1>(simd, a, b, dim)[0][0];
                    }
                }
            }
        }
    }
}

/// The sums of M rows of a with N rows of b.
#[inline(always)]
fn tile<S: Simd, const DIFFERENCE: bool, const M: usize, const N: usize>(
    simd: S,
    a: &[f64],
    b: &[f64],
    dim: usize,
) -> [[f64; N]; M] {
    // Loops and no closures: what is not inlined here would not use the vectors that were chosen.
    let (mut wide_a, mut tail_a) = ([&[] as &[S::f64s]; M], [&[] as &[f64]; M]);
    let (mut wide_b, mut tail_b) = ([&[] as &[S::f64s]; N], [&[] as &[f64]; N]);
    for i in 0..M {
        (wide_a[i], tail_a[i]) = S::as_simd_f64s(&a[i * dim..(i + 1) * dim]);
    }
    for j in 0..N {
        (wide_b[j], tail_b[j]) = S::as_simd_f64s(&b[j * dim..(j + 1) * dim]);
    }
    let sums = wide_sums::<S, DIFFERENCE, M, N>(simd, wide_a, wide_b);
    let mut out = [[0.0; N]; M];
    for i in 0..M {
        for j in 0..N {
            out[i][j] = simd.reduce_sum_f64s(sums[i][j]);
            for (x, y) in tail_a[i].iter().zip(tail_b[j]) {
                out[i][j] += if DIFFERENCE { (x - y) * (x - y) } else { x * y };
            }
        }
    }
    out
}

/// The sums of all whole vectors of the rows, lane by lane.
#[inline(always)]
fn wide_sums<'a, S: Simd, const DIFFERENCE: bool, const M: usize, const N: usize>(
    simd: S,
    mut a: [&'a [S::f64s]; M],
    mut b: [&'a [S::f64s]; N],
) -> [[S::f64s; N]; M] {
    // One length for all rows, so that no index is checked among the sums.
    let n = a[0].len();
    for row in a.iter_mut().chain(&mut b) {
        *row = &row[..n];
    }
    let mut sums = [[simd.splat_f64s(0.0); N]; M];
    for k in 0..n {
        for i in 0..M {
            for j in 0..N {
                let (x, y) = (a[i][k], b[j][k]);
                let (x, y) = if DIFFERENCE { (simd.sub_f64s(x, y), simd.sub_f64s(x, y)) } else { (x, y) };
                sums[i][j] = simd.mul_add_e_f64s(x, y, sums[i][j]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::tests::{Broken, normal, on_one_and_two_threads};

    fn of_rows(m: usize, n: usize, dim: usize, of: Of) -> Vec<f64> {
        let (a, b) = (read(&normal(m, dim, 1), 0..m).unwrap(), read(&normal(n, dim, 2), 0..n).unwrap());
        let mut out = vec![0.0; m * n];
        pairs(&a, &b, dim, of, &mut out);
        out
    }

    #[test]
    fn sums_are_those_of_a_plain_loop_whatever_the_sizes() {
        for (m, n, dim) in [(1, 1, 1), (4, 3, 8), (5, 7, 19), (9, 2, 64), (3, 4, 3), (8, 6, 1)] {
            let (a, b) = (read(&normal(m, dim, 1), 0..m).unwrap(), read(&normal(n, dim, 2), 0..n).unwrap());
            for of in [Of::Product, Of::SquaredDifference] {
                for (at, value) in of_rows(m, n, dim, of).into_iter().enumerate() {
                    let (x, y) = (&a[at / n * dim..][..dim], &b[at % n * dim..][..dim]);
                    let term = |(x, y): (&f64, &f64)| match of {
                        Of::Product => x * y,
                        Of::SquaredDifference => (x - y).powi(2),
                    };
                    let plain: f64 = x.iter().zip(y).map(term).sum();
                    assert!((value - plain).abs() < 1e-12 * dim as f64, "{m} {n} {dim}: {value}, {plain}");
                }
            }
        }
    }

    #[test]
    fn the_place_in_a_block_does_not_change_a_bit() {
        let (all, dim) = (of_rows(9, 8, 37, Of::SquaredDifference), 37);
        let (a, b) = (read(&normal(9, dim, 1), 0..9).unwrap(), read(&normal(8, dim, 2), 0..8).unwrap());
        for (at, value) in all.into_iter().enumerate() {
            let mut one = [0.0];
            let (x, y) = (&a[at / 8 * dim..][..dim], &b[at % 8 * dim..][..dim]);
            pairs(y, x, dim, Of::SquaredDifference, &mut one);
            assert_eq!(value.to_bits(), one[0].to_bits(), "{at}");
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let [one, two] = on_one_and_two_threads(|| of_rows(70, 65, 33, Of::Product));
        assert!(one.iter().zip(&two).all(|(x, y)| x.to_bits() == y.to_bits()));
    }

    #[test]
    fn equal_rows_have_no_distance_at_all() {
        let a = read(&normal(13, 50, 4), 0..13).unwrap();
        let mut out = vec![1.0; 13 * 13];
        pairs(&a, &a, 50, Of::SquaredDifference, &mut out);
        assert!((0..13).all(|i| out[i * 13 + i] == 0.0));
    }

    #[test]
    fn every_pair_is_visited_once() {
        let (a, b) = (normal(2100, 3, 1), normal(1030, 3, 2));
        let mut seen = vec![0u8; 2100 * 1030];
        for_each_block(&a, &b, Of::Product, |block| {
            for (i, n) in block.map(|(i, values)| (i, values.len())) {
                (0..n).for_each(|j| seen[i * 1030 + block.first_b + j] += 1);
            }
        })
        .unwrap();
        assert!(seen.iter().all(|&n| n == 1));
    }

    #[test]
    fn an_error_of_a_table_ends_the_walk() {
        let broken = Broken(vec![f32::NAN; 12]);
        assert!(for_each_block(&broken, &normal(2, 2, 0), Of::Product, |_| ()).is_err());
        assert!(for_each_block(&normal(2, 2, 0), &broken, Of::Product, |_| ()).is_err());
    }
}
