use crate::blocks::{Part, check_rows};
use crate::pairs::{Of, for_each_block};
use crate::{Error, Features, Result};

/// The mean distance between different rows of each group of `group` consecutive rows: how far apart samples from
/// one start are. Figure 5 of the paper shows such groups, four samples from each 1x1 image.
///
/// A distance is the root of the sum of squared differences; rows may be features or pixels. There is one number
/// per group; [`Score::of`](crate::Score::of) makes one of all.
///
/// # Errors
/// When a group has fewer than two rows, the rows make no whole groups or none, or a number is not finite.
pub fn pairwise_distance(features: &dyn Features, group: usize) -> Result<Vec<f64>> {
    let n = features.len();
    check_rows(features, "a distance within a group", group.max(2))?;
    if group < 2 || !n.is_multiple_of(group) {
        return Err(Error::Groups { group, n });
    }
    let starts = (0..n).step_by(group);
    starts.map(|start| within(&Part { of: features, range: start..start + group })).collect()
}

/// The mean distance between different rows; a row's distance to itself adds nothing to the sum.
fn within(features: &dyn Features) -> Result<f64> {
    let mut total = 0.0;
    for_each_block(features, features, Of::SquaredDifference, |block| {
        let sums = block.map(|(_, distances)| distances.iter().map(|squared| squared.sqrt()).sum::<f64>());
        total += sums.iter().sum::<f64>();
    })?;
    let n = features.len() as f64;
    Ok(total / (n * (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeatureTable;
    use crate::features::tests::{Broken, normal, on_one_and_two_threads};

    #[test]
    fn each_group_has_the_distance_computed_by_hand() {
        // A triangle of sides 3, 4 and 5, and three equal points.
        let table = FeatureTable::new(vec![0., 0., 3., 0., 0., 4., 7., 7., 7., 7., 7., 7.], 2).unwrap();
        assert_eq!(pairwise_distance(&table, 3).unwrap(), [4.0, 0.0]);
        assert_eq!(pairwise_distance(&table, 2).unwrap()[0], 3.0);
    }

    #[test]
    fn normals_are_as_far_apart_as_normals_are() {
        // The difference of two is normal of variance 2: the mean length in one dimension is 2 / sqrt(pi).
        let distance = pairwise_distance(&normal(3000, 1, 1), 3000).unwrap()[0];
        assert!((distance - 2.0 / std::f64::consts::PI.sqrt()).abs() < 0.05, "{distance}");
        let [one, two] = on_one_and_two_threads(|| pairwise_distance(&normal(2400, 3, 1), 1200).unwrap());
        assert_eq!(one, two);
    }

    #[test]
    fn bad_input_is_an_error_with_its_numbers() {
        let error = pairwise_distance(&normal(10, 2, 0), 4).unwrap_err().to_string();
        assert!(error.contains("10") && error.contains('4'), "{error}");
        for group in [0, 1, 11, usize::MAX] {
            assert!(pairwise_distance(&normal(10, 2, 0), group).is_err(), "{group}");
        }
        let error =
            pairwise_distance(&Broken([[1.0; 7].as_slice(), &[f32::NAN; 5]].concat()), 2).unwrap_err();
        assert!(error.to_string().contains("row 3, column 1"), "{error}");
    }
}
