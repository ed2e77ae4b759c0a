use std::fmt;

use crate::balls::{check_neighbours, radii};
use crate::blocks::{check_dims, check_rows};
use crate::pairs::{Of, for_each_block};
use crate::{Features, Result};

/// Which neighbour's distance is the radius of a real image's ball, in the paper.
pub const DENSE_NEIGHBOUR: usize = 5;

/// How typical samples are, and how much of the real images they reach (Naeem, Oh, Uh, Choi, Yoo, "Reliable fidelity and
/// diversity metrics for generative models", ICML 2020). Unlike precision and recall they take no ball around a sample, so
/// that outliers among samples count for little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DensityCoverage {
    /// In how many balls of real images a sample lies in the mean, over k: about 1 for images of the same law, more where
    /// samples keep to the middle of it.
    pub density: f64,
    /// Share of the real images in whose ball some sample lies: nearly 1 for as many images of the same law.
    pub coverage: f64,
}

/// Density and coverage of `real` images by `samples`, from the features of both.
///
/// The ball of a real image reaches to its k-th nearest other real image, and what lies on its edge is within; the paper
/// takes k = 5 ([`DENSE_NEIGHBOUR`]). Distances are summed from differences, in double precision; for n real images and m
/// samples of d features that takes (n + m) n d operations. Coverage grows with the number of samples: compare numbers of
/// as many only.
///
/// # Errors
/// When k is 0, there are no more than k real images or no samples, the features differ in number, or one is not finite.
pub fn density_coverage(real: &dyn Features, samples: &dyn Features, k: usize) -> Result<DensityCoverage> {
    check_dims(real, samples)?;
    check_neighbours(&[real], k)?;
    check_rows(samples, "density and coverage", 1)?;
    let radii = radii(real, k)?;
    let mut within = vec![0_u64; real.len()];
    for_each_block(real, samples, Of::SquaredDifference, |block| {
        block.update(&mut within, |within, (i, distances)| {
            *within += distances.iter().filter(|distance| **distance <= radii[i]).count() as u64;
        });
    })?;
    let (pairs, reached) = (within.iter().sum::<u64>(), within.iter().filter(|&&n| n > 0).count());
    Ok(DensityCoverage {
        density: pairs as f64 / (k as f64 * samples.len() as f64),
        coverage: reached as f64 / real.len() as f64,
    })
}

/// `density 0.870, coverage 0.460`, with three decimals or the precision asked for.
impl fmt::Display for DensityCoverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, DensityCoverage { density, coverage }) = (f.precision().unwrap_or(3), self);
        write!(f, "density {density:.digits$}, coverage {coverage:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FeatureTable;
    use crate::features::tests::{normal, on_one_and_two_threads};

    fn line(values: &[f32]) -> FeatureTable {
        FeatureTable::new(values.to_vec(), 1).unwrap()
    }

    #[test]
    fn balls_are_those_counted_by_hand() {
        // Radii to the first neighbour: 1, 1, 8.
        let (real, samples) = (line(&[0.0, 1.0, 9.0]), line(&[0.5, 1.5, 90.0]));
        // 0.5 lies in the balls of 0 and 1, 1.5 in those of 1 and 9, 90 in none.
        let found = density_coverage(&real, &samples, 1).unwrap();
        assert_eq!(found, DensityCoverage { density: 4.0 / 3.0, coverage: 1.0 });
        assert_eq!(found.to_string(), "density 1.333, coverage 1.000");
        // With the second neighbour they reach 9, 8 and 9 far: every one of the first two samples lies in all.
        let wide = density_coverage(&real, &samples, 2).unwrap();
        assert_eq!(wide, DensityCoverage { density: 6.0 / 6.0, coverage: 1.0 });
        let one = density_coverage(&real, &line(&[-1.0]), 1).unwrap();
        assert_eq!(one, DensityCoverage { density: 1.0, coverage: 1.0 / 3.0 });
    }

    #[test]
    fn images_of_one_law_have_a_density_of_about_one_and_cover_each_other() {
        let found = density_coverage(&normal(1500, 8, 1), &normal(1500, 8, 2), DENSE_NEIGHBOUR).unwrap();
        assert!((found.density - 1.0).abs() < 0.1, "{found}");
        // A real image is missed with probability 2^-k about (section 3.3 of the paper).
        assert!((found.coverage - (1.0 - 0.5_f64.powi(5))).abs() < 0.03, "{found}");
    }

    #[test]
    fn samples_in_the_middle_are_dense_and_cover_little() {
        let narrow = (normal(1500, 8, 2).to_tensor().unwrap() * 0.3).unwrap();
        let narrow = FeatureTable::from_tensor(&narrow).unwrap();
        let found = density_coverage(&normal(1500, 8, 1), &narrow, DENSE_NEIGHBOUR).unwrap();
        assert!(found.density > 1.5 && found.coverage < 0.6, "{found}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_set_covers_itself_and_more_samples_cover_no_less(seed: u64, n in 6usize..30, m in 1usize..30) {
            let (real, samples) = (normal(n, 3, seed), normal(m + 5, 3, !seed));
            let own = density_coverage(&real, &real, 5).unwrap();
            prop_assert_eq!(own.coverage, 1.0);
            // Every image lies in its own ball, and each ball holds k others.
            prop_assert!((own.density - 6.0 / 5.0).abs() < 1e-12);
            let all = samples.rows(0..m + 5).unwrap().to_vec();
            let fewer = FeatureTable::new(all[..m * 3].to_vec(), 3).unwrap();
            let of = |samples: &FeatureTable| density_coverage(&real, samples, 5).unwrap().coverage;
            prop_assert!(of(&samples) >= of(&fewer));
        }
    }

    #[test]
    fn blocks_and_threads_change_nothing() {
        let (a, b) = (normal(2100, 2, 1), normal(1100, 2, 2));
        let [one, two] = on_one_and_two_threads(|| density_coverage(&a, &b, 5).unwrap());
        assert_eq!(one, two);
        assert!(one.coverage > 0.8 && one.coverage < 1.0, "{one}");
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let (few, samples) = (normal(5, 2, 1), normal(3, 2, 2));
        let error = density_coverage(&few, &samples, 5).unwrap_err().to_string();
        assert!(error.contains('6') && error.contains('5'), "{error}");
        assert!(density_coverage(&few, &samples, 0).is_err());
        assert!(density_coverage(&few, &normal(3, 3, 0), 2).is_err());
        assert!(density_coverage(&few, &normal(1, 2, 0), 2).is_ok(), "one sample will do");
    }
}
