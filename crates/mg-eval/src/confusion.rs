use crate::{Error, Result};

/// A confusion matrix: how often images of each category were taken for each category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// Invariant: square, with at least one count.
    counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// The counts of `truth` against `predicted` categories, one of each per image, both in 0..n.
    ///
    /// # Errors
    /// When there are no images, their numbers differ, or a category is not below n.
    pub fn of(truth: &[usize], predicted: &[usize], n: usize) -> Result<Self> {
        if truth.is_empty() {
            return Err(Error::NoValues);
        }
        if truth.len() != predicted.len() {
            let (got, expected) = (vec![predicted.len()], vec![truth.len()]);
            return Err(Error::Shapes { what: "predicted categories", got, expected });
        }
        if let Some(&category) = truth.iter().chain(predicted).find(|&&category| category >= n) {
            return Err(Error::Category { category, n });
        }
        let mut counts = vec![vec![0; n]; n];
        truth.iter().zip(predicted).for_each(|(&t, &p)| counts[t][p] += 1);
        Ok(Confusion { counts })
    }

    /// `counts()[t][p]`: images of category t taken for p.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Share of all images taken for what they are.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.counts.iter().enumerate().map(|(category, row)| row[category]).sum();
        right as f64 / self.counts.iter().flatten().sum::<u64>() as f64
    }

    /// The same share for the images of each category, its recall; `None` for a category without images.
    pub fn recalls(&self) -> Vec<Option<f64>> {
        let recall = |(category, row): (usize, &Vec<u64>)| match row.iter().sum::<u64>() {
            0 => None,
            total => Some(row[category] as f64 / total as f64),
        };
        self.counts.iter().enumerate().map(recall).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares_are_those_of_the_pairs() {
        let confusion = Confusion::of(&[0, 0, 0, 2, 2], &[0, 1, 0, 2, 0], 3).unwrap();
        assert_eq!(confusion.counts(), [[2, 1, 0], [0, 0, 0], [1, 0, 1]]);
        assert_eq!(confusion.accuracy(), 0.6);
        assert_eq!(confusion.recalls(), [Some(2.0 / 3.0), None, Some(0.5)]);
    }

    #[test]
    fn misfits_are_refused() {
        assert!(matches!(Confusion::of(&[], &[], 2), Err(Error::NoValues)));
        assert!(matches!(Confusion::of(&[0], &[0, 1], 2), Err(Error::Shapes { .. })));
        assert!(matches!(Confusion::of(&[0, 1], &[0, 2], 2), Err(Error::Category { category: 2, n: 2 })));
    }
}
