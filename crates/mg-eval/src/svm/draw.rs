use mg_random::Key;

use crate::{Error, Result};

/// The rows of every class, from which balanced draws are made.
pub(super) struct Pool {
    rows: Vec<Vec<u32>>,
    per_class: usize,
}

impl Pool {
    /// For draws of `per_class` rows of each class.
    ///
    /// # Errors
    /// When a class has fewer.
    pub(super) fn new(labels: &[u32], classes: usize, per_class: usize) -> Result<Self> {
        let mut rows = vec![Vec::new(); classes];
        for (row, &label) in (0..).zip(labels) {
            let class = rows.get_mut(label as usize);
            class.ok_or(Error::Label { what: "training", row: row as usize, label, classes })?.push(row);
        }
        match rows.iter().position(|rows| rows.len() < per_class) {
            Some(class) => Err(Error::TooFewOfClass { class, has: rows[class].len(), wanted: per_class }),
            None => Ok(Pool { rows, per_class }),
        }
    }

    /// Rows of every class without replacement, class after class; those of a class depend on the key, the class and how
    /// many rows it has.
    pub(super) fn draw(&self, key: Key) -> Vec<u32> {
        let of_class = |(class, rows): (u64, &Vec<u32>)| {
            let order = key.fold(class).permutation(rows.len() as u64);
            order.iter().take(self.per_class).map(|at| rows[at as usize]).collect::<Vec<_>>()
        };
        (0..).zip(&self.rows).flat_map(of_class).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn draws_are_balanced_and_without_replacement(
            labels in prop::collection::vec(0u32..3, 12..60),
            seed: u64,
        ) {
            let count = |class| labels.iter().filter(|label| **label == class).count();
            let per_class = (0..3).map(count).min().unwrap_or(0);
            prop_assume!(per_class > 0);
            let pool = Pool::new(&labels, 3, per_class).unwrap();
            let mut rows = pool.draw(Key::new(seed));
            for class in 0..3 {
                let drawn = rows.iter().filter(|row| labels[**row as usize] == class).count();
                prop_assert_eq!(drawn, per_class);
            }
            rows.sort_unstable();
            rows.dedup();
            prop_assert_eq!(rows.len(), 3 * per_class);
        }
    }

    #[test]
    fn draws_differ_by_their_keys_and_a_larger_draw_contains_the_smaller() {
        let labels: Vec<u32> = (0..200).map(|i| i % 2).collect();
        let draw = |per_class, seed| Pool::new(&labels, 2, per_class).unwrap().draw(Key::new(seed));
        assert_ne!(draw(10, 1), draw(10, 2));
        let larger = draw(20, 1);
        assert!(draw(10, 1).iter().all(|row| larger.contains(row)));
    }

    #[test]
    fn a_class_with_too_few_rows_is_named() {
        let error = Pool::new(&[0, 1, 1], 2, 2).err().unwrap().to_string();
        assert!(error.contains("class 0 has 1") && error.contains('2'), "{error}");
        assert!(Pool::new(&[0, 2], 2, 1).is_err());
    }
}
