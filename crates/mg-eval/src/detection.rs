use crate::{Error, Result};

/// How well a number that should be larger for inliers tells them from outliers: minus the energy, the score f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Area under the receiver operating characteristic (ROC) curve: the probability that an inlier's value is above an
    /// outlier's, ties counting one half.
    pub auroc: f64,
    /// Its standard error (DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988); `None` when a set has one value.
    pub auroc_std_error: Option<f64>,
    /// Area under the precision-recall curve, inliers positive, as the sum over thresholds of precision times the gain
    /// in recall, without interpolation.
    pub average_precision: f64,
    /// Share of outliers that pass where 95 % of the inliers do.
    pub fpr_at_95_tpr: f64,
}

impl Detection {
    /// All of these measures of one pair of sets.
    ///
    /// # Errors
    /// When a set is empty or holds a NaN; infinite values have a rank like any other.
    pub fn of(inliers: &[f64], outliers: &[f64]) -> Result<Self> {
        let (auroc, auroc_std_error) = auroc(inliers, outliers)?;
        Ok(Detection {
            auroc,
            auroc_std_error,
            average_precision: average_precision(inliers, outliers)?,
            fpr_at_95_tpr: false_positive_rate(inliers, outliers, 0.95)?,
        })
    }
}

/// Area under the receiver operating characteristic, exactly, by ranks, and its standard error after DeLong et al.
/// 1988, by the ranks of Sun and Xu 2014; `None` where a set has one value. Larger values should be inliers'; a value below
/// 1/2 says that outliers have the larger ones.
///
/// # Errors
/// When a set is empty or holds a NaN.
pub fn auroc(inliers: &[f64], outliers: &[f64]) -> Result<(f64, Option<f64>)> {
    check("inliers", inliers)?;
    check("outliers", outliers)?;
    let all = ranks(&[inliers, outliers].concat());
    let (m, n) = (inliers.len() as f64, outliers.len() as f64);
    // Of every inlier the share of outliers below it, of every outlier the share of inliers above it.
    let above = |i: usize, own: f64| (all[i] - own) / n;
    let below = |j: usize, own: f64| 1.0 - (all[inliers.len() + j] - own) / m;
    let above: Vec<f64> = ranks(inliers).into_iter().enumerate().map(|(i, own)| above(i, own)).collect();
    let below: Vec<f64> = ranks(outliers).into_iter().enumerate().map(|(j, own)| below(j, own)).collect();
    let area = above.iter().sum::<f64>() / m;
    let std_error = (inliers.len() > 1 && outliers.len() > 1)
        .then(|| (variance(&above, area) / m + variance(&below, area) / n).sqrt());
    Ok((area, std_error))
}

/// Sum over thresholds, from the highest, of precision times the gain in recall, inliers positive. For outliers as
/// the positives, exchange the sets and change the sign of the values.
///
/// # Errors
/// When a set is empty or holds a NaN.
pub fn average_precision(inliers: &[f64], outliers: &[f64]) -> Result<f64> {
    let mut area = 0.0;
    let mut before = 0;
    for (passed, false_ones) in thresholds(inliers, outliers)? {
        area += (passed - before) as f64 * passed as f64 / (passed + false_ones) as f64;
        before = passed;
    }
    Ok(area / inliers.len() as f64)
}

/// Share of outliers at or above the highest threshold that at least `true_positive_rate` of the inliers reach.
///
/// # Errors
/// When a set is empty or holds a NaN.
pub fn false_positive_rate(inliers: &[f64], outliers: &[f64], true_positive_rate: f64) -> Result<f64> {
    let reached = |&(passed, _): &(usize, usize)| passed as f64 / inliers.len() as f64 >= true_positive_rate;
    let at = thresholds(inliers, outliers)?.into_iter().find(reached);
    Ok(at.map_or(1.0, |(_, false_ones)| false_ones as f64 / outliers.len() as f64))
}

/// Inliers and outliers at or above every value, from the highest.
fn thresholds(inliers: &[f64], outliers: &[f64]) -> Result<Vec<(usize, usize)>> {
    check("inliers", inliers)?;
    check("outliers", outliers)?;
    let mut all: Vec<(f64, bool)> = inliers.iter().map(|&v| (v, true)).collect();
    all.extend(outliers.iter().map(|&v| (v, false)));
    all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal));
    let (mut passed, mut false_ones) = (0, 0);
    let mut counts = Vec::new();
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        passed += ties.iter().filter(|(_, inlier)| *inlier).count();
        false_ones += ties.iter().filter(|(_, inlier)| !*inlier).count();
        counts.push((passed, false_ones));
    }
    Ok(counts)
}

/// Rank of every value from 1; ties share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap_or(std::cmp::Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + 0.5 * (ties.len() + 1) as f64;
        ties.iter().for_each(|&i| ranks[i] = mean);
        first += ties.len();
    }
    ranks
}

/// With divisor n - 1.
fn variance(values: &[f64], mean: f64) -> f64 {
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

fn check(set: &str, values: &[f64]) -> Result<()> {
    if values.is_empty() {
        return Err(Error::NoScores { set: set.to_owned() });
    }
    match values.iter().position(|v| v.is_nan()) {
        Some(index) => Err(Error::BadScore { set: set.to_owned(), index, value: values[index] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mg_random::Key;
    use proptest::prelude::*;

    use super::*;

    /// The definition: one pair at a time.
    fn by_pairs(inliers: &[f64], outliers: &[f64]) -> (f64, f64) {
        let wins = |x: f64, y: f64| if x > y { 1.0 } else { f64::from(u8::from(x == y)) * 0.5 };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let above: Vec<f64> = inliers
            .iter()
            .map(|&x| mean(&outliers.iter().map(|&y| wins(x, y)).collect::<Vec<_>>()))
            .collect();
        let below: Vec<f64> = outliers
            .iter()
            .map(|&y| mean(&inliers.iter().map(|&x| wins(x, y)).collect::<Vec<_>>()))
            .collect();
        let area = mean(&above);
        let share = |values: &[f64]| variance(values, area) / values.len() as f64;
        (area, (share(&above) + share(&below)).sqrt())
    }

    /// The definition: every value in turn as the threshold.
    fn by_thresholds(inliers: &[f64], outliers: &[f64]) -> (f64, f64) {
        let at_least = |set: &[f64], t: f64| set.iter().filter(|&&v| v >= t).count() as f64;
        let mut all = [inliers, outliers].concat();
        all.sort_by(|a, b| b.total_cmp(a));
        all.dedup();
        let (mut area, mut recall, mut rate) = (0.0, 0.0, None);
        for t in all {
            let (passed, false_ones) = (at_least(inliers, t), at_least(outliers, t));
            let now = passed / inliers.len() as f64;
            area += (now - recall) * passed / (passed + false_ones);
            recall = now;
            rate = rate.or((now >= 0.95).then_some(false_ones / outliers.len() as f64));
        }
        (area, rate.unwrap())
    }

    #[test]
    fn sets_apart_are_told_apart_and_equal_sets_are_not() {
        let (high, low) = ([3.0, 4.0, 5.0], [0.0, 1.0]);
        let detection = Detection::of(&high, &low).unwrap();
        assert_eq!((detection.auroc, detection.auroc_std_error), (1.0, Some(0.0)));
        assert_eq!((detection.average_precision, detection.fpr_at_95_tpr), (1.0, 0.0));
        assert_eq!(auroc(&low, &high).unwrap().0, 0.0);
        assert_eq!(Detection::of(&high, &high).unwrap().auroc, 0.5);
        assert_eq!(auroc(&[1.0; 4], &[1.0; 7]).unwrap(), (0.5, Some(0.0)));
        assert_eq!(false_positive_rate(&low, &high, 0.95).unwrap(), 1.0);
    }

    #[test]
    fn ties_count_one_half() {
        // Pairs: 2 > 1, 2 > 0, 1 = 1, 1 > 0: (1 + 1 + 1/2 + 1) / 4.
        let (area, std_error) = auroc(&[2.0, 1.0], &[1.0, 0.0]).unwrap();
        assert_eq!(area, 0.875);
        // Shares 1 and 3/4 in both sets: variances 1/32, twice over two.
        assert!((std_error.unwrap() - (1f64 / 32.0).sqrt()).abs() < 1e-15);
        // Thresholds 2, 1, 0: precision 1, 2/3, recall 1/2, 1.
        assert!((average_precision(&[2.0, 1.0], &[1.0, 0.0]).unwrap() - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(auroc(&[2.0], &[1.0, 0.0]).unwrap().1, None);
        assert_eq!(auroc(&[f64::INFINITY, -f64::INFINITY], &[0.0]).unwrap().0, 0.5);
    }

    #[test]
    fn the_standard_error_is_the_spread_over_repetitions() {
        // Normals one deviation apart: the area is Phi(1 / sqrt(2)) = 0.76025.
        let areas: Vec<(f64, f64)> = (0..400)
            .map(|i| {
                let mut stream = Key::new(1).fold(i).stream();
                let mut draw = |n: usize, mean: f64| -> Vec<f64> {
                    (0..n).map(|_| mean + f64::from(stream.normal())).collect()
                };
                let (inliers, outliers) = (draw(60, 1.0), draw(40, 0.0));
                let (area, std_error) = auroc(&inliers, &outliers).unwrap();
                (area, std_error.unwrap())
            })
            .collect();
        let mean = areas.iter().map(|a| a.0).sum::<f64>() / 400.0;
        let spread = (areas.iter().map(|a| (a.0 - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
        let told = areas.iter().map(|a| a.1).sum::<f64>() / 400.0;
        assert!((mean - 0.76025).abs() < 5.0 * spread / 20.0, "{mean}");
        assert!((told / spread - 1.0).abs() < 0.12, "told {told}, seen {spread}");
    }

    #[test]
    fn nothing_and_what_is_no_number_are_refused() {
        for (inliers, outliers, set) in [
            (&[][..], &[1.0][..], "inliers"),
            (&[1.0], &[], "outliers"),
            (&[1.0], &[0.0, f64::NAN], "outliers"),
        ] {
            let error = Detection::of(inliers, outliers).unwrap_err().to_string();
            assert!(error.contains(set), "{error}");
        }
        assert!(average_precision(&[f64::NAN], &[1.0]).is_err());
        assert!(false_positive_rate(&[], &[1.0], 0.95).is_err());
    }

    proptest! {
        #[test]
        fn ranks_agree_with_pairs_and_thresholds(
            inliers in proptest::collection::vec(-6i32..6, 2..40),
            outliers in proptest::collection::vec(-9i32..4, 2..40),
        ) {
            let [inliers, outliers] = [inliers, outliers].map(|v| v.into_iter().map(f64::from).collect::<Vec<_>>());
            let found = Detection::of(&inliers, &outliers).unwrap();
            let (area, std_error) = by_pairs(&inliers, &outliers);
            let (precision, rate) = by_thresholds(&inliers, &outliers);
            prop_assert!((found.auroc - area).abs() < 1e-12);
            prop_assert!((found.auroc_std_error.unwrap() - std_error).abs() < 1e-12);
            prop_assert!((found.average_precision - precision).abs() < 1e-12);
            prop_assert!((found.fpr_at_95_tpr - rate).abs() < 1e-12);
            // Only the order counts.
            let cubed = |v: &[f64]| v.iter().map(|x| x.powi(3)).collect::<Vec<_>>();
            prop_assert_eq!(Detection::of(&cubed(&inliers), &cubed(&outliers)).unwrap(), found);
        }
    }
}
