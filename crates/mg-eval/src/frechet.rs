use std::fmt;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::prelude::default;
use faer::{Accum, Mat, Par, diag::Diag};

use crate::{Error, Moments, Result};

/// The Frechet distance of two sets' features, each taken as a normal distribution with the set's moments; with the
/// features of the Inception network it is called FID (Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, NIPS 2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrechetDistance {
    /// |m1 - m2|^2, what the means add.
    pub of_means: f64,
    /// tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), what the covariances add; rounding below zero is taken as zero.
    pub of_covariances: f64,
    /// Rows of both sets.
    pub n: [u64; 2],
    /// Features per row d.
    pub dim: usize,
}

/// The Frechet distance between two sets (equation 6 of Heusel et al.); a squared length, in the features' unit.
///
/// The trace of (S1 S2)^(1/2) is the sum of the roots of the eigenvalues of S1 S2. With any factors S1 = A A^T and
/// S2 = B B^T these roots are the singular values of A^T B, which is how they are computed here: a direction that
/// a set does not vary in adds 1e-16 and not, as the root of an eigenvalue does, 1e-8. The factors come from a
/// pivoted Cholesky decomposition, which also stops at a covariance's rank. So the distance is well defined for
/// sets of n <= d rows too, though not a good estimate: see [`FrechetDistance::warning`].
///
/// One set's distance to another of the same distribution falls like 1 / n, so only distances between sets of the
/// same sizes can be compared. The order of the sets does not matter.
///
/// # Errors
/// When a set has fewer than two rows, their features differ in number, or the singular values do not converge.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<FrechetDistance> {
    if a.dim() != b.dim() || a.dim() == 0 {
        return Err(Error::Dims { first: a.dim(), second: b.dim() });
    }
    let dim = a.dim();
    let (of_a, of_b) = (a.covariance()?, b.covariance()?);
    let trace = |matrix: &[f64]| matrix.iter().step_by(dim + 1).sum::<f64>();
    let traces = trace(&of_a) + trace(&of_b);
    let (factor_a, factor_b) = rayon::join(|| factor(&of_a, dim), || factor(&of_b, dim));
    let shared = singular_values(&factor_a?, &factor_b?)?;
    Ok(FrechetDistance {
        of_means: a.mean().iter().zip(b.mean()).map(|(a, b)| (a - b).powi(2)).sum(),
        of_covariances: (traces - 2.0 * shared).max(0.0),
        n: [a.n(), b.n()],
        dim,
    })
}

impl FrechetDistance {
    /// The distance: both parts together.
    pub fn distance(&self) -> f64 {
        self.of_means + self.of_covariances
    }

    /// What to say beside the number when a set has no more rows than features. Its covariance then has rank
    /// n - 1 at most: it is singular, knows nothing of the other directions, and the distance is too large, by an
    /// amount that depends on n.
    pub fn warning(&self) -> Option<String> {
        let n = *self.n.iter().min()?;
        let dim = self.dim;
        (n <= dim as u64).then(|| {
            format!("{n} images cannot show the covariance of {dim} features; score more than {dim} images")
        })
    }
}

/// `40.61 (9.20 of means)`, with two decimals or the precision asked for.
impl fmt::Display for FrechetDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} of means)", self.distance(), self.of_means)
    }
}

/// A [d, rank] with A A^T the covariance S [d, d].
fn factor(covariance: &[f64], dim: usize) -> Result<Mat<f64>> {
    if covariance.iter().step_by(dim + 1).all(|&variance| variance == 0.0) {
        return Ok(Mat::zeros(dim, 0));
    }
    let mut lower = Mat::from_fn(dim, dim, |i, j| covariance[i * dim + j]);
    let (mut order, mut places) = (vec![0usize; dim], vec![0usize; dim]);
    let mut room = MemBuffer::new(cholesky_in_place_scratch::<usize, f64>(dim, Par::Seq, default()));
    let stack = MemStack::new(&mut room);
    let factored = cholesky_in_place(lower.as_mut(), &mut order, &mut places, Par::Seq, stack, default());
    let rank = factored.map_err(|_| Error::NotACovariance { dim })?.0.rank;
    let mut factor = Mat::zeros(dim, rank);
    for (i, &row) in order.iter().enumerate() {
        (0..rank.min(i + 1)).for_each(|k| factor[(row, k)] = lower[(i, k)]);
    }
    Ok(factor)
}

/// The sum of the singular values of A^T B.
fn singular_values(a: &Mat<f64>, b: &Mat<f64>) -> Result<f64> {
    let (m, n) = (a.ncols(), b.ncols());
    if m == 0 || n == 0 {
        return Ok(0.0);
    }
    let mut product = Mat::zeros(m, n);
    matmul(product.as_mut(), Accum::Replace, a.transpose(), b.as_ref(), 1.0, Par::Seq);
    let mut values = Diag::<f64>::zeros(m.min(n));
    let none = ComputeSvdVectors::No;
    let mut room = MemBuffer::new(svd_scratch::<f64>(m, n, none, none, Par::Seq, default()));
    let stack = MemStack::new(&mut room);
    let found = svd(product.as_ref(), values.as_mut(), None, None, Par::Seq, stack, default());
    found.map_err(|_| Error::NotConverged { rows: m, columns: n })?;
    Ok(values.column_vector().iter().sum())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use proptest::prelude::*;

    use super::*;
    use crate::FeatureTable;
    use crate::features::tests::{normal, on_one_and_two_threads};

    fn between(a: &FeatureTable, b: &FeatureTable) -> FrechetDistance {
        frechet_distance(&Moments::of(a).unwrap(), &Moments::of(b).unwrap()).unwrap()
    }

    /// Rows x -> scale x + shift.
    fn affine(table: &FeatureTable, scale: f64, shift: f64) -> FeatureTable {
        FeatureTable::from_tensor(&table.to_tensor().unwrap().affine(scale, shift).unwrap()).unwrap()
    }

    #[test]
    fn one_dimension_has_its_closed_form() {
        let rows = |values: [f32; 4]| FeatureTable::new(values.to_vec(), 1).unwrap();
        // Means 0 and 5, deviations sqrt(20/3) and twice that: 25 + (deviation)^2.
        let distance = between(&rows([-3.0, -1.0, 1.0, 3.0]), &rows([-1.0, 3.0, 7.0, 11.0]));
        assert!((distance.of_means - 25.0).abs() < 1e-12);
        assert!((distance.of_covariances - 20.0 / 3.0).abs() < 1e-12);
        assert_eq!(distance.to_string(), "31.67 (25.00 of means)");
        assert_eq!(distance.warning(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_is_symmetric_and_zero_on_itself(seed: u64, n in 2usize..30, m in 2usize..30, dim in 1usize..12) {
            let (a, b) = (normal(n, dim, seed), affine(&normal(m, dim, !seed), 2.0, 0.5));
            let (there, back) = (between(&a, &b), between(&b, &a));
            prop_assert!((there.distance() - back.distance()).abs() < 1e-6 * (1.0 + there.distance()));
            prop_assert!(there.distance() >= 0.0);
            prop_assert!(between(&a, &a).distance() < 1e-12 * dim as f64);
        }

        #[test]
        fn scaling_about_the_mean_has_its_closed_form(seed: u64, scale in 0.1f64..4.0, dim in 1usize..8) {
            // S2 = scale^2 S1: the covariances' part is (1 - scale)^2 tr(S1).
            let a = normal(40, dim, seed);
            let moments = Moments::of(&a).unwrap();
            let trace: f64 = moments.covariance().unwrap().iter().step_by(dim + 1).sum();
            let distance = between(&a, &affine(&a, scale, 0.0)).of_covariances;
            prop_assert!((distance - (1.0 - scale).powi(2) * trace).abs() < 1e-5 * trace);
        }

        #[test]
        fn a_rotation_of_both_sets_changes_nothing(seed: u64, angle in 0f64..6.3, n in 3usize..40) {
            let (a, b) = (normal(n, 5, seed), affine(&normal(30, 5, !seed), 1.5, 0.3));
            let turned = between(&turn(&a, angle), &turn(&b, angle)).distance();
            let distance = between(&a, &b).distance();
            // The turned numbers are rounded to f32.
            prop_assert!((turned - distance).abs() < 1e-4 * (1.0 + distance), "{} {}", turned, distance);
        }
    }

    /// Turns the plane of features 1 and 3.
    fn turn(table: &FeatureTable, angle: f64) -> FeatureTable {
        let (sin, cos) = angle.sin_cos();
        let mut rotation = vec![0.0; 25];
        (0..5).for_each(|i| rotation[i * 6] = 1.0);
        (rotation[6], rotation[18], rotation[8], rotation[16]) = (cos, cos, sin, -sin);
        let rotation = Tensor::from_vec(rotation, (5, 5), &Device::Cpu).unwrap();
        let rows = table.to_tensor().unwrap().to_dtype(candle_core::DType::F64).unwrap();
        FeatureTable::from_tensor(&rows.matmul(&rotation).unwrap()).unwrap()
    }

    #[test]
    fn sets_that_vary_in_different_directions_share_nothing() {
        let along = |axis: usize| {
            let row = |i: usize| (0..6).map(move |j| if j == axis { i as f32 } else { 0.0 });
            FeatureTable::new((0..4).flat_map(row).collect(), 6).unwrap()
        };
        let distance = between(&along(1), &along(4));
        assert!((distance.of_covariances - 10.0 / 3.0).abs() < 1e-12, "{distance:?}");
        assert!(distance.warning().unwrap().contains("4 images"));
        let constant = FeatureTable::new([1.0; 12].to_vec(), 6).unwrap();
        assert_eq!(between(&constant, &constant).distance(), 0.0);
        assert!((between(&constant, &along(0)).of_covariances - 5.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (a, b) = (normal(90, 70, 1), normal(60, 70, 2));
        let [one, two] = on_one_and_two_threads(|| between(&a, &b));
        assert_eq!(one, two);
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let of = |n, dim| Moments::of(&normal(n, dim, 0)).unwrap();
        let error = frechet_distance(&of(9, 3), &of(9, 4)).unwrap_err().to_string();
        assert!(error.contains('3') && error.contains('4'), "{error}");
        assert!(frechet_distance(&of(1, 3), &of(9, 3)).unwrap_err().to_string().contains("got 1"));
        assert!(frechet_distance(&Moments::new(0), &Moments::new(0)).is_err());
    }
}
