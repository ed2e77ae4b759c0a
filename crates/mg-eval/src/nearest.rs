use crate::blocks::{check_dims, check_rows};
use crate::pairs::{Of, for_each_block};
use crate::{Features, Result};

/// A row's nearest row in another table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its number.
    pub row: usize,
    /// Its distance, the root of the sum of squared differences.
    pub distance: f64,
}

/// For each row of `features` the nearest row `among` others, the first of equally near ones: which training
/// image a sample is closest to, and whether it is a copy (distance 0). One block of each table is in memory at a time.
///
/// # Errors
/// When there are no others, the features differ in number, or one is not finite.
pub fn nearest(features: &dyn Features, among: &dyn Features) -> Result<Vec<Neighbour>> {
    check_dims(features, among)?;
    check_rows(among, "a nearest row", 1)?;
    let mut found = vec![Neighbour { row: 0, distance: f64::INFINITY }; features.len()];
    for_each_block(features, among, Of::SquaredDifference, |block| {
        block.update(&mut found, |found, (_, distances)| {
            for (j, &distance) in distances.iter().enumerate() {
                if distance < found.distance {
                    *found = Neighbour { row: block.first_b + j, distance };
                }
            }
        });
    })?;
    found.iter_mut().for_each(|neighbour| neighbour.distance = neighbour.distance.sqrt());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeatureTable;
    use crate::features::tests::{Broken, normal, on_one_and_two_threads};

    #[test]
    fn a_copy_is_found_at_no_distance_and_the_first_of_equals_wins() {
        let table = normal(1500, 7, 1);
        let found = nearest(&table, &table).unwrap();
        assert!(found.iter().enumerate().all(|(i, n)| *n == Neighbour { row: i, distance: 0.0 }));
        let others = FeatureTable::new(vec![9.0, 3.0, -1.0, 3.0], 1).unwrap();
        let found = nearest(&FeatureTable::new(vec![1.0, 7.0], 1).unwrap(), &others).unwrap();
        let expected = [(1, 2.0), (0, 2.0)].map(|(row, distance)| Neighbour { row, distance });
        assert_eq!(found, expected);
    }

    #[test]
    fn it_is_the_least_of_all_distances() {
        let (a, b) = (normal(20, 5, 1), normal(1300, 5, 2));
        let [one, two] = on_one_and_two_threads(|| nearest(&a, &b).unwrap());
        assert_eq!(one, two);
        let (x, y) = (a.rows(0..20).unwrap(), b.rows(0..1300).unwrap());
        for (found, x) in one.iter().zip(x.chunks_exact(5)) {
            let distance =
                |y: &[f32]| x.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            let least = y.chunks_exact(5).map(distance).fold(f64::INFINITY, f64::min);
            assert!((found.distance - least).abs() < 1e-6);
            assert!((distance(&y[5 * found.row..][..5]) - least).abs() < 1e-6);
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let empty = FeatureTable::new(vec![], 2).unwrap();
        assert!(nearest(&normal(3, 2, 0), &empty).unwrap_err().to_string().contains("got 0"));
        assert_eq!(nearest(&empty, &normal(3, 2, 0)).unwrap(), []);
        assert!(nearest(&normal(3, 2, 0), &normal(3, 4, 0)).is_err());
        assert!(nearest(&normal(3, 2, 0), &Broken(vec![f32::NAN; 12])).is_err());
    }
}
