//! Mean and covariance: the type and its sums here, storage in [`stored`].

mod stored;

use crate::blocks::{blocks, read};
use crate::pairs::{Of, pairs};
use crate::{Error, Features, Result};

/// Number of rows, mean and covariance of features, in double precision: what a Frechet distance needs of a set.
///
/// They are built block by block and joined exactly (Chan, Golub, LeVeque, "Updating formulae and a pairwise
/// algorithm for computing sample variances", 1979), so that a set may be larger than memory; d features take
/// 8 d^2 bytes, 32 MiB for 2,048.
///
/// ```
/// use mg_eval::{FeatureTable, Moments};
///
/// let moments = Moments::of(&FeatureTable::new(vec![1.0, 0.0, 3.0, 4.0], 2)?)?;
/// assert_eq!(moments.mean(), [2.0, 2.0]);
/// assert_eq!(moments.covariance()?, [2.0, 4.0, 4.0, 8.0]); // divisor n - 1
/// # Ok::<(), mg_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    n: u64,
    /// Invariant: finite, zeros while n = 0.
    mean: Vec<f64>,
    /// Sums of products of deviations from the mean, [d, d], row-major.
    /// Invariant: finite, symmetric to the bit, no negative number on its diagonal.
    scatter: Vec<f64>,
}

/// Rows of the scatter that are computed together.
const PANEL: usize = 256;

impl Moments {
    /// The moments of no rows of `dim` features.
    pub fn new(dim: usize) -> Self {
        Moments { n: 0, mean: vec![0.0; dim], scatter: vec![0.0; dim * dim] }
    }

    /// The moments of all rows of a table.
    ///
    /// # Errors
    /// When the table cannot be read or holds a number that is not finite.
    pub fn of(features: &dyn Features) -> Result<Self> {
        let mut moments = Moments::new(features.dim());
        for range in blocks(features) {
            let rows = read(features, range)?;
            moments = moments.merge(&Moments::of_block(rows, features.dim()))?;
        }
        Ok(moments)
    }

    /// The moments of two sets' union.
    ///
    /// # Errors
    /// When the sets differ in their number of features.
    pub fn merge(mut self, other: &Moments) -> Result<Self> {
        if self.dim() != other.dim() {
            return Err(Error::Dims { first: self.dim(), second: other.dim() });
        }
        if other.n == 0 {
            return Ok(self);
        }
        let (n, m) = (self.n as f64, other.n as f64);
        let apart: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        let weight = n * m / (n + m);
        let dim = self.dim().max(1);
        let rows = self.scatter.chunks_exact_mut(dim).zip(other.scatter.chunks_exact(dim));
        for ((ours, theirs), of_row) in rows.zip(&apart) {
            for ((sum, term), of_column) in ours.iter_mut().zip(theirs).zip(&apart) {
                *sum += term + of_row * of_column * weight;
            }
        }
        self.mean.iter_mut().zip(&apart).for_each(|(mean, apart)| *mean += apart * m / (n + m));
        self.n += other.n;
        Ok(self)
    }

    /// Rows seen.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Features per row d.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The mean, d numbers; zeros when no row was seen.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance [d, d], row-major, with divisor n - 1.
    ///
    /// # Errors
    /// When fewer than two rows were seen.
    pub fn covariance(&self) -> Result<Vec<f64>> {
        if self.n < 2 {
            return Err(Error::TooFewRows { score: "a covariance", needed: 2, n: self.n as usize });
        }
        Ok(self.scatter.iter().map(|sum| sum / (self.n - 1) as f64).collect())
    }

    /// The moments of some rows that are in memory.
    fn of_block(mut rows: Vec<f64>, dim: usize) -> Self {
        let n = rows.len() / dim.max(1);
        let mut mean = vec![0.0; dim];
        for row in rows.chunks_exact(dim.max(1)) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= n.max(1) as f64);
        for row in rows.chunks_exact_mut(dim.max(1)) {
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
        Moments { n: n as u64, mean, scatter: scatter(&transposed(&rows, dim), n, dim) }
    }
}

/// The products of all pairs of rows of `columns` [dim, n]: panels of rows with the rows from there on, and their
/// mirror images.
fn scatter(columns: &[f64], n: usize, dim: usize) -> Vec<f64> {
    let mut scatter = vec![0.0; dim * dim];
    let mut products = Vec::new();
    for first in (0..dim).step_by(PANEL) {
        let (panel, width) = (PANEL.min(dim - first), dim - first);
        products.resize(panel * width, 0.0);
        let rest = &columns[first * n..];
        pairs(&rest[..panel * n], rest, n, Of::Product, &mut products);
        for i in 0..panel {
            for j in i..width {
                scatter[(first + i) * dim + first + j] = products[i * width + j];
                scatter[(first + j) * dim + first + i] = products[i * width + j];
            }
        }
    }
    scatter
}

/// [n, dim] to [dim, n].
fn transposed(rows: &[f64], dim: usize) -> Vec<f64> {
    let n = rows.len() / dim.max(1);
    let mut columns = vec![0.0; rows.len()];
    for (i, row) in rows.chunks_exact(dim.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, value)| columns[j * n + i] = *value);
    }
    columns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FeatureTable;
    use crate::blocks::Part;
    use crate::features::tests::{Broken, normal, on_one_and_two_threads};

    fn near(a: &[f64], b: &[f64], tolerance: f64) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + b.abs()))
    }

    #[test]
    fn moments_are_those_of_plain_sums() {
        let (n, dim) = (41, 300);
        let table = normal(n, dim, 3);
        let rows = read(&table, 0..n).unwrap();
        let moments = Moments::of(&table).unwrap();
        let mean = |j: usize| (0..n).map(|i| rows[i * dim + j]).sum::<f64>() / n as f64;
        let covariance = moments.covariance().unwrap();
        for (j, k) in [(0, 0), (0, 299), (299, 0), (255, 256), (280, 270), (7, 131)] {
            let (a, b) = (mean(j), mean(k));
            let plain = (0..n).map(|i| (rows[i * dim + j] - a) * (rows[i * dim + k] - b)).sum::<f64>();
            assert!((covariance[j * dim + k] - plain / (n - 1) as f64).abs() < 1e-13, "{j} {k}");
            assert!((moments.mean()[j] - a).abs() < 1e-14);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn merged_moments_are_those_of_the_union(seed: u64, n in 1usize..60, dim in 1usize..9, cut in 0usize..60) {
            let table = normal(n, dim, seed);
            let part = |range| Moments::of(&Part { of: &table, range }).unwrap();
            let cut = cut.min(n);
            let merged = part(0..cut).merge(&part(cut..n)).unwrap();
            let whole = Moments::of(&table).unwrap();
            prop_assert_eq!(merged.n(), whole.n());
            prop_assert!(near(merged.mean(), whole.mean(), 1e-12));
            prop_assert!(near(&merged.scatter, &whole.scatter, 1e-12));
        }

        #[test]
        fn a_shift_moves_the_mean_and_nothing_else(seed: u64, shift in -1e3f32..1e3) {
            let table = normal(30, 4, seed);
            let shifted = (table.to_tensor().unwrap() + f64::from(shift)).unwrap();
            let shifted = Moments::of(&FeatureTable::from_tensor(&shifted).unwrap()).unwrap();
            let still = Moments::of(&table).unwrap();
            // The shifted numbers are rounded to f32.
            prop_assert!(near(&shifted.scatter, &still.scatter, 1e-2));
            let moved: Vec<f64> = still.mean().iter().map(|m| m + f64::from(shift)).collect();
            prop_assert!(near(shifted.mean(), &moved, 1e-4));
        }
    }

    #[test]
    fn blocks_and_threads_change_nothing() {
        let table = normal(2500, 20, 5);
        let [one, two] = on_one_and_two_threads(|| Moments::of(&table).unwrap());
        assert_eq!(one, two);
        let whole = Moments::of_block(read(&table, 0..2500).unwrap(), 20);
        assert!(near(&one.scatter, &whole.scatter, 1e-12));
    }

    #[test]
    fn large_means_cost_no_digits() {
        let table = FeatureTable::new(vec![16_777_214.0, 16_777_215.0, 16_777_216.0], 1).unwrap();
        assert_eq!(Moments::of(&table).unwrap().covariance().unwrap(), [1.0]);
    }

    #[test]
    fn bad_input_is_an_error() {
        let one = Moments::of(&normal(1, 2, 0)).unwrap();
        assert!(one.covariance().unwrap_err().to_string().contains("got 1"));
        assert!(one.merge(&Moments::new(3)).unwrap_err().to_string().contains('3'));
        assert!(Moments::of(&Broken(vec![f32::NAN; 12])).unwrap_err().to_string().contains("row 0"));
    }
}
