use crate::blocks::{Part, blocks, check_rows, read};
use crate::{Error, Features, Result, Score};

/// The inception score: exp of the mean over images of KL(p(y | x) || p(y)), p(y) being the mean of p(y | x)
/// over the split; mean and deviation (divisor n) over `splits` parts of the images (Salimans, Goodfellow,
/// Zaremba, Cheung, Radford, Chen, "Improved techniques for training GANs", NIPS 2016).
///
/// `logits` [n, K] are a classifier's outputs before the softmax, which is taken here in double precision. Part i
/// holds the images from `i n / splits` on, in order, as the paper's code does; torch-fidelity shuffles them
/// first unless told otherwise. The paper has ten parts of 5,000 images and all 1,008 logits of its network,
/// without their biases: numbers of other networks or fewer images are not comparable.
///
/// # Errors
/// When there are no parts or fewer images than parts, or a logit is not finite.
pub fn inception_score(logits: &dyn Features, splits: usize) -> Result<Score> {
    if splits == 0 {
        return Err(Error::NoValues);
    }
    check_rows(logits, "an inception score of that many splits", splits)?;
    let n = logits.len();
    // In 128 bits, for n splits may exceed 64.
    let start = |i: usize| (i as u128 * n as u128 / splits as u128) as usize;
    let parts = (0..splits).map(|i| of_part(&Part { of: logits, range: start(i)..start(i + 1) }));
    Score::of(&parts.collect::<Result<Vec<f64>>>()?)
}

/// exp of the mean KL divergence of one part: sum p log p over images and classes, less the same of their mean.
fn of_part(logits: &dyn Features) -> Result<f64> {
    let (n, classes) = (logits.len() as f64, logits.dim());
    let mut total = vec![0.0; classes];
    let mut negative_entropy = 0.0;
    for range in blocks(logits) {
        for row in read(logits, range)?.chunks_exact(classes) {
            let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = row.iter().map(|v| (v - greatest).exp()).sum::<f64>().ln() + greatest;
            for (total, logit) in total.iter_mut().zip(row) {
                let log_p = logit - log_sum;
                let p = log_p.exp();
                *total += p;
                negative_entropy += p * log_p;
            }
        }
    }
    let of_mean = total.iter().map(|sum| sum / n).filter(|&q| q > 0.0).map(|q| q * q.ln()).sum::<f64>();
    Ok((negative_entropy / n - of_mean).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FeatureTable;
    use crate::features::tests::{Broken, normal};

    /// n images that a classifier of `classes` is sure of, one class after the other.
    fn sure(n: usize, classes: usize) -> FeatureTable {
        let row = |i: usize| (0..classes).map(move |k| if k == i % classes { 200.0 } else { -200.0 });
        FeatureTable::new((0..n).flat_map(row).collect(), classes).unwrap()
    }

    #[test]
    fn sure_and_varied_images_score_the_number_of_classes() {
        let score = inception_score(&sure(120, 6), 10).unwrap();
        assert!((score.mean - 6.0).abs() < 1e-12 && score.std_dev < 1e-12 && score.n == 10);
    }

    #[test]
    fn images_that_look_alike_score_one() {
        let alike = FeatureTable::new([1.0, -2.0, 0.5].repeat(20), 3).unwrap();
        assert!((inception_score(&alike, 2).unwrap().mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn parts_are_taken_in_order() {
        // Parts of 3, 4 and 4 images of 11, each of a class of its own: no part is varied.
        let class = |i: usize| {
            if i < 3 {
                0
            } else if i < 7 {
                1
            } else {
                2
            }
        };
        let row = |i: usize| (0..3).map(move |k| if k == class(i) { 99.0 } else { 0.0 });
        let logits = FeatureTable::new((0..11).flat_map(row).collect(), 3).unwrap();
        assert!((inception_score(&logits, 3).unwrap().mean - 1.0).abs() < 1e-12);
        assert!(inception_score(&logits, 1).unwrap().mean > 2.5);
    }

    proptest! {
        #[test]
        fn it_lies_between_one_and_the_number_of_classes(seed: u64, n in 4usize..40, shift in -1e3f32..1e3) {
            let logits = normal(n, 5, seed);
            let score = inception_score(&logits, 4).unwrap();
            prop_assert!(score.mean >= 1.0 - 1e-9 && score.mean <= 5.0);
            let shifted = (logits.to_tensor().unwrap() + f64::from(shift)).unwrap();
            let shifted = inception_score(&FeatureTable::from_tensor(&shifted).unwrap(), 4).unwrap();
            prop_assert!((score.mean - shifted.mean).abs() < 1e-3);
        }
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let error = inception_score(&sure(9, 3), 10).unwrap_err().to_string();
        assert!(error.contains("10") && error.contains('9'), "{error}");
        assert!(inception_score(&sure(9, 3), 0).is_err());
        let mut logits = vec![0.0; 12];
        logits[7] = f32::NAN;
        assert!(inception_score(&Broken(logits), 1).unwrap_err().to_string().contains("row 3"));
    }
}
