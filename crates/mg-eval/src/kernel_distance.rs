use mg_random::Key;

use crate::blocks::{check_dims, check_rows};
use crate::pairs::{Of, for_each_block};
use crate::{Error, FeatureTable, Features, Result, Score};

/// How many subsets of how many rows a kernel distance is averaged over; torch-fidelity's by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// Number of subsets; 100 by default.
    pub n: usize,
    /// Rows of each set in a subset; 1,000 by default.
    pub size: usize,
}

impl Default for Subsets {
    fn default() -> Self {
        Subsets { n: 100, size: 1000 }
    }
}

impl Subsets {
    /// Those of torch-fidelity, or of all rows of the smaller set where it has fewer.
    pub fn fitting(a: &dyn Features, b: &dyn Features) -> Self {
        let default = Subsets::default();
        Subsets { size: default.size.min(a.len()).min(b.len()), ..default }
    }
}

/// The kernel distance of two sets' features: the squared maximum mean discrepancy of the kernel
/// k(x, y) = (x y / d + 1)^3, unbiased, mean and deviation (divisor n) over random subsets drawn without
/// replacement; with the features of the Inception network it is called KID (Binkowski, Sutherland, Arbel,
/// Gretton, "Demystifying MMD GANs", ICLR 2018).
///
/// Unlike a Frechet distance's, its expectation does not depend on the number of rows; it can be negative.
/// torch-fidelity draws its subsets with numpy's generator; its mean differs for that reason by a small part of the
/// deviation divided by the root of the number of subsets. To score given subsets see [`kernel_distance_on`].
///
/// # Errors
/// When there are no subsets or they have fewer than two rows or more than a set, the features differ in number,
/// or one is not finite.
pub fn kernel_distance(a: &dyn Features, b: &dyn Features, subsets: Subsets, key: Key) -> Result<Score> {
    let (key, size) = (key.named("kernel distance"), subsets.size);
    let n = a.len().min(b.len());
    if !(2..=n).contains(&size) {
        return Err(Error::SubsetSize { size, n });
    }
    let draw = |features: &dyn Features, key: Key| -> Vec<usize> {
        let order = key.permutation(features.len() as u64);
        (0..size as u64).map(|at| order.at(at) as usize).collect()
    };
    let drawn = (0..subsets.n as u64).map(|i| {
        let key = key.fold(i);
        of_subset(a, b, &draw(a, key.named("first")), &draw(b, key.named("second")))
    });
    Score::of(&drawn.collect::<Result<Vec<f64>>>()?)
}

/// The kernel distance on given subsets: of each, the numbers of its rows in the first and in the second set.
///
/// # Errors
/// As [`kernel_distance`], and when a subset names a row that a set does not have.
pub fn kernel_distance_on(
    a: &dyn Features,
    b: &dyn Features,
    subsets: &[(Vec<usize>, Vec<usize>)],
) -> Result<Score> {
    let values = subsets.iter().map(|(of_a, of_b)| of_subset(a, b, of_a, of_b));
    Score::of(&values.collect::<Result<Vec<f64>>>()?)
}

/// The kernel distance over all pairs of all rows, unbiased, in blocks: without random numbers, and with less
/// noise than an average over subsets.
///
/// # Errors
/// When a set has fewer than two rows, the features differ in number, or one is not finite.
pub fn kernel_distance_of_all(a: &dyn Features, b: &dyn Features) -> Result<f64> {
    check_dims(a, b)?;
    check_rows(a, SCORE, 2)?;
    check_rows(b, SCORE, 2)?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let within =
        sum_of_kernels(a, a, true)? / (n * (n - 1.0)) + sum_of_kernels(b, b, true)? / (m * (m - 1.0));
    Ok(within - 2.0 * sum_of_kernels(a, b, false)? / (n * m))
}

const SCORE: &str = "a kernel distance";

fn of_subset(a: &dyn Features, b: &dyn Features, of_a: &[usize], of_b: &[usize]) -> Result<f64> {
    check_dims(a, b)?;
    kernel_distance_of_all(&gathered(a, of_a)?, &gathered(b, of_b)?)
}

/// The rows with these numbers.
fn gathered(features: &dyn Features, rows: &[usize]) -> Result<FeatureTable> {
    let mut data = Vec::with_capacity(rows.len().saturating_mul(features.dim()));
    for &row in rows {
        if row >= features.len() {
            return Err(Error::NoSuchRows { range: row..row.saturating_add(1), n: features.len() });
        }
        data.extend_from_slice(&features.rows(row..row + 1)?);
    }
    FeatureTable::new(data, features.dim())
}

/// The sum of k(x, y) over all pairs of rows, or over all pairs of different rows of one table.
fn sum_of_kernels(a: &dyn Features, b: &dyn Features, within_one: bool) -> Result<f64> {
    let dim = a.dim() as f64;
    let kernel = |product: &f64| (product / dim + 1.0).powi(3);
    let mut total = 0.0;
    for_each_block(a, b, Of::Product, |block| {
        let first = block.first_b;
        let of_row = |(i, products): (usize, &[f64])| {
            let itself = if within_one { i.checked_sub(first) } else { None };
            let others = products.iter().enumerate().filter(|(j, _)| Some(*j) != itself);
            others.map(|(_, product)| kernel(product)).sum::<f64>()
        };
        total += block.map(of_row).iter().sum::<f64>();
    })?;
    Ok(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::features::tests::{Broken, normal, on_one_and_two_threads};

    fn rows(values: &[f32], dim: usize) -> FeatureTable {
        FeatureTable::new(values.to_vec(), dim).unwrap()
    }

    #[test]
    fn two_rows_give_the_number_computed_by_hand() {
        // d = 1: k(0, 2) = 1, k(1, 3) = 64; between: k(0, 1) = k(0, 3) = 1, k(2, 1) = 27, k(2, 3) = 343.
        let distance = kernel_distance_of_all(&rows(&[0.0, 2.0], 1), &rows(&[1.0, 3.0], 1)).unwrap();
        assert!((distance - (1.0 + 64.0 - 2.0 * (1.0 + 1.0 + 27.0 + 343.0) / 4.0)).abs() < 1e-12);
    }

    #[test]
    fn two_halves_of_one_distribution_have_no_distance_on_average() {
        let halves = |seed: u64| {
            kernel_distance_of_all(&normal(40, 6, 2 * seed), &normal(40, 6, 2 * seed + 1)).unwrap()
        };
        let score = Score::of(&(0..400).map(halves).collect::<Vec<_>>()).unwrap();
        assert!(score.mean.abs() < 4.0 * score.std_error().unwrap(), "{score:.6}");
        assert!(score.std_dev > 0.0);
    }

    #[test]
    fn different_distributions_have_a_distance() {
        let far = (normal(300, 6, 1).to_tensor().unwrap() + 0.5).unwrap();
        let far = FeatureTable::from_tensor(&far).unwrap();
        let subsets = Subsets { n: 20, size: 100 };
        let score = |b: &FeatureTable| kernel_distance(&normal(300, 6, 2), b, subsets, Key::new(0)).unwrap();
        let (near, far) = (score(&normal(300, 6, 3)), score(&far));
        assert!(near.mean.abs() < 3.0 * near.std_dev && far.mean > 3.0 * far.std_dev, "{near}, {far}");
        assert_eq!(far.n, 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_subset_of_all_rows_is_the_estimate_of_all(seed: u64, n in 2usize..30, dim in 1usize..9) {
            let (a, b) = (normal(n, dim, seed), normal(n, dim, !seed));
            let all = kernel_distance_of_all(&a, &b).unwrap();
            let subset = kernel_distance(&a, &b, Subsets { n: 1, size: n }, Key::new(seed)).unwrap();
            prop_assert!((subset.mean - all).abs() < 1e-10 * (1.0 + all.abs()));
            prop_assert!((kernel_distance_of_all(&b, &a).unwrap() - all).abs() < 1e-10 * (1.0 + all.abs()));
        }
    }

    #[test]
    fn a_key_names_the_subsets() {
        let (a, b, subsets) = (normal(50, 3, 1), normal(60, 3, 2), Subsets { n: 5, size: 20 });
        let [one, two] = on_one_and_two_threads(|| kernel_distance(&a, &b, subsets, Key::new(4)).unwrap());
        assert_eq!(one, two);
        assert_ne!(one, kernel_distance(&a, &b, subsets, Key::new(5)).unwrap());
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let (a, b) = (normal(50, 3, 1), normal(60, 3, 2));
        let score = |n, size| kernel_distance(&a, &b, Subsets { n, size }, Key::new(0));
        let error = score(100, 1000).unwrap_err().to_string();
        assert!(error.contains("1000") && error.contains("50"), "{error}");
        assert!(score(0, 10).is_err() && score(1, 1).is_err() && score(1, 0).is_err());
        let error = kernel_distance_of_all(&a, &normal(9, 4, 0)).unwrap_err().to_string();
        assert!(error.contains('3') && error.contains('4'), "{error}");
        let subset = |rows: &[usize]| kernel_distance_on(&a, &b, &[(rows.to_vec(), vec![0, 1])]);
        assert!(subset(&[0, 50]).unwrap_err().to_string().contains("50 rows"));
        assert!(subset(&[usize::MAX, 0]).is_err() && subset(&[3]).is_err() && subset(&[0, 49]).is_ok());
        assert!(kernel_distance_on(&a, &b, &[]).is_err());
        let broken = Broken([[0.0; 9].as_slice(), &[f32::NAN; 3]].concat());
        let error = kernel_distance_of_all(&normal(4, 2, 0), &broken).unwrap_err().to_string();
        assert!(error.contains("row 4, column 1"), "{error}");
    }
}
