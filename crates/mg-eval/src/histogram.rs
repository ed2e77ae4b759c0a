use crate::{Error, Result};

/// Counts of several sets of numbers in the same bins of equal width, from the least to the greatest number of all:
/// energies of images of different kinds, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Borders of the bins, one more than there are bins.
    pub edges: Vec<f64>,
    /// Name and counts of every set.
    pub sets: Vec<(String, Vec<u64>)>,
}

impl Histogram {
    /// The histogram of named sets in `bins` bins. A number on a border belongs to the bin above it, the greatest of
    /// all to the last.
    ///
    /// # Errors
    /// When there is no set, one is empty or holds a number that is not finite, or there are no bins.
    pub fn of(sets: &[(&str, &[f64])], bins: usize) -> Result<Self> {
        if sets.is_empty() || bins == 0 {
            return Err(Error::NoValues);
        }
        for &(name, values) in sets {
            if values.is_empty() {
                return Err(Error::NoScores { set: name.to_owned() });
            }
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::BadScore { set: name.to_owned(), index, value: values[index] });
            }
        }
        let all = || sets.iter().flat_map(|(_, values)| values.iter().copied());
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        let bin = |v: f64| (((v - low) / (high - low) * bins as f64) as usize).min(bins - 1);
        let count = |&(name, values): &(&str, &[f64])| {
            let mut counts = vec![0; bins];
            values.iter().for_each(|&v| counts[bin(v)] += 1);
            (name.to_owned(), counts)
        };
        let edge = |i: usize| low + (high - low) * i as f64 / bins as f64;
        Ok(Histogram { edges: (0..=bins).map(edge).collect(), sets: sets.iter().map(count).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_share_their_bins() {
        let histogram = Histogram::of(&[("a", &[0.0, 1.0, 1.5]), ("b", &[4.0, 3.9, 2.0, 0.5])], 4).unwrap();
        assert_eq!(histogram.edges, [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(histogram.sets[0], ("a".to_owned(), vec![1, 2, 0, 0]));
        assert_eq!(histogram.sets[1], ("b".to_owned(), vec![1, 0, 1, 2]));
    }

    #[test]
    fn equal_numbers_fill_one_bin() {
        let histogram = Histogram::of(&[("a", &[7.0; 5])], 3).unwrap();
        assert_eq!(histogram.sets[0].1, [0, 5, 0]);
        assert!(histogram.edges[0] < 7.0 && 7.0 < histogram.edges[3]);
    }

    #[test]
    fn what_cannot_be_counted_is_named() {
        assert!(Histogram::of(&[], 3).is_err() && Histogram::of(&[("a", &[1.0])], 0).is_err());
        let error = Histogram::of(&[("a", &[1.0]), ("b", &[])], 3).unwrap_err().to_string();
        assert!(error.contains('b'), "{error}");
        for bad in [f64::NAN, f64::INFINITY] {
            let error = Histogram::of(&[("a", &[1.0, bad])], 3).unwrap_err();
            assert!(matches!(error, Error::BadScore { index: 1, .. }), "{error}");
        }
    }
}
