use std::fmt;

use crate::balls::{check_neighbours, radii};
use crate::blocks::check_dims;
use crate::pairs::{Of, for_each_block};
use crate::{Features, Result};

/// Which neighbour's distance is the radius of a row's ball, in the paper and in torch-fidelity.
pub const NEIGHBOUR: usize = 3;

/// How much of one set lies within the other: the quality and the variety of samples as two numbers
/// (Kynkaanniemi, Karras, Laine, Lehtinen, Aila, "Improved precision and recall metric for assessing generative
/// models", NeurIPS 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the samples that lie within the real images.
    pub precision: f64,
    /// Share of the real images that lie within the samples.
    pub recall: f64,
}

/// Precision and recall of `samples` against `real` images, from the features of both.
///
/// A row lies within a set when it is no further from some row of the set than that row's k-th nearest other row
/// is; rows that are twice in a set are each other's neighbours at distance 0. The paper and torch-fidelity take
/// k = 3 ([`NEIGHBOUR`]). Distances are summed from differences, in double precision, so equal rows have none;
/// for n and m rows of d features that takes (n + m)^2 d operations. Numbers depend on how many rows there are: the
/// paper takes 50,000 of both.
///
/// # Errors
/// When k is 0 or a set has no more than k rows, the features differ in number, or one is not finite.
pub fn precision_recall(real: &dyn Features, samples: &dyn Features, k: usize) -> Result<PrecisionRecall> {
    check_dims(real, samples)?;
    check_neighbours(&[real, samples], k)?;
    let (of_real, of_samples) = (radii(real, k)?, radii(samples, k)?);
    Ok(PrecisionRecall {
        precision: share_within(samples, real, &of_real)?,
        recall: share_within(real, samples, &of_samples)?,
    })
}

impl PrecisionRecall {
    /// The harmonic mean of both; 0 when both are.
    pub fn f_score(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum == 0.0 { 0.0 } else { 2.0 * self.precision * self.recall / sum }
    }
}

/// `precision 0.701, recall 0.452, f-score 0.550`, with three decimals or the precision asked for.
impl fmt::Display for PrecisionRecall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, PrecisionRecall { precision, recall }) = (f.precision().unwrap_or(3), self);
        write!(f, "precision {precision:.digits$}, recall {recall:.digits$}, ")?;
        write!(f, "f-score {:.digits$}", self.f_score())
    }
}

/// The share of rows that lie in the ball of some row of `set`.
fn share_within(features: &dyn Features, set: &dyn Features, radii: &[f64]) -> Result<f64> {
    let mut within = vec![false; features.len()];
    for_each_block(features, set, Of::SquaredDifference, |block| {
        let radii = &radii[block.first_b..];
        block.update(&mut within, |within, (_, distances)| {
            *within |= distances.iter().zip(radii).any(|(distance, radius)| distance <= radius);
        });
    })?;
    Ok(within.iter().filter(|&&within| within).count() as f64 / within.len() as f64)
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
    fn shares_are_those_counted_by_hand() {
        // Radii to the first neighbour: real 1, 1, 8; samples 3, 3, 88.
        let (real, samples) = (line(&[0.0, 1.0, 9.0]), line(&[-1.5, 1.5, 90.0]));
        let found = precision_recall(&real, &samples, 1).unwrap();
        // 1.5 lies within 1 of 1, the others within nothing; 0 and 1 lie within 3 of 1.5, 9 within 88 of 90.
        assert_eq!(found, PrecisionRecall { precision: 1.0 / 3.0, recall: 1.0 });
        assert!((found.f_score() - 0.5).abs() < 1e-15);
        assert_eq!(found.to_string(), "precision 0.333, recall 1.000, f-score 0.500");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_set_lies_within_itself(seed: u64, n in 4usize..40, copies in 0usize..5) {
            // Balls of radius 0 from three copies on.
            let rows = normal(n, 3, seed).rows(0..n).unwrap().to_vec();
            let set = FeatureTable::new([rows.clone(), rows[..6].repeat(copies)].concat(), 3).unwrap();
            let found = precision_recall(&set, &set, NEIGHBOUR).unwrap();
            prop_assert_eq!((found.precision, found.recall), (1.0, 1.0));
        }

        #[test]
        fn swapping_the_sets_swaps_the_numbers_and_a_larger_k_lowers_none(seed: u64, n in 5usize..30) {
            let (a, b) = (normal(n, 2, seed), normal(20, 2, !seed));
            let of = |k| precision_recall(&a, &b, k).unwrap();
            let swapped = precision_recall(&b, &a, 3).unwrap();
            prop_assert_eq!((swapped.recall, swapped.precision), (of(3).precision, of(3).recall));
            prop_assert!(of(4).precision >= of(3).precision && of(4).recall >= of(3).recall);
        }
    }

    #[test]
    fn far_samples_lie_within_nothing() {
        let far =
            FeatureTable::from_tensor(&(normal(30, 4, 1).to_tensor().unwrap() + 100.0).unwrap()).unwrap();
        let found = precision_recall(&normal(30, 4, 0), &far, 3).unwrap();
        assert_eq!((found.precision, found.recall, found.f_score()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn blocks_and_threads_change_nothing() {
        let (a, b) = (normal(2100, 2, 1), normal(1100, 2, 2));
        let [one, two] = on_one_and_two_threads(|| precision_recall(&a, &b, 3).unwrap());
        assert_eq!(one, two);
        assert!(one.precision > 0.9 && one.precision < 1.0, "{one}");
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let (a, b) = (normal(9, 2, 1), normal(3, 2, 2));
        let error = precision_recall(&a, &b, 3).unwrap_err().to_string();
        assert!(error.contains('4') && error.contains('3'), "{error}");
        assert!(precision_recall(&a, &b, 0).is_err() && precision_recall(&a, &b, usize::MAX).is_err());
        assert!(precision_recall(&a, &normal(9, 3, 0), 3).is_err());
    }
}
