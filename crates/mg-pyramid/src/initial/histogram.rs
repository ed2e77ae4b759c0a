use mg_random::Stream;

/// A histogram of values in [-1, 1]: 256 bins that tile the interval, each a uniform density.
///
/// Bin b is [-1 + b / 128, -1 + (b + 1) / 128): 1x1 versions are means, so their values fall between grey
/// levels, and a draw is spread over its bin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// Bins per histogram.
pub(super) const BINS: usize = 256;

impl Histogram {
    pub(super) fn empty() -> Self {
        Histogram { counts: vec![0; BINS], total: 0 }
    }

    /// From stored counts; None unless there are [`BINS`] of them, not all zero, with a sum that fits.
    pub(super) fn from_counts(counts: Vec<u64>) -> Option<Self> {
        let total = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count))?;
        (counts.len() == BINS && total > 0).then_some(Histogram { counts, total })
    }

    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(super) fn add(&mut self, value: f32) {
        let bin = ((value + 1.0) * (BINS as f32 / 2.0)) as usize;
        self.counts[bin.min(BINS - 1)] += 1;
        self.total += 1;
    }

    /// A draw; -1 from an empty histogram.
    pub(super) fn sample(&self, stream: &mut Stream) -> f32 {
        let mut rank = stream.below(self.total);
        let mut bin = 0;
        while bin < BINS - 1 && rank >= self.counts[bin] {
            rank -= self.counts[bin];
            bin += 1;
        }
        (bin as f32 + stream.uniform()) * (2.0 / BINS as f32) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    #[test]
    fn draws_fall_into_the_bins_of_the_values_in_proportion() {
        let mut histogram = Histogram::empty();
        for value in [-1.0, 1.0, 1.0, 0.25] {
            histogram.add(value);
        }
        let mut stream = Key::new(0).stream();
        let mut again = Histogram::empty();
        (0..40_000).for_each(|_| again.add(histogram.sample(&mut stream)));
        assert!(again.counts.iter().enumerate().all(|(bin, &n)| n == 0 || histogram.counts[bin] > 0));
        for (bin, expected) in [(0, 10_000i64), (255, 20_000), (160, 10_000)] {
            assert!((again.counts[bin] as i64 - expected).abs() < 500, "bin {bin}: {}", again.counts[bin]);
        }
    }

    #[test]
    fn counts_that_are_no_histogram_are_refused() {
        assert!(Histogram::from_counts(vec![1; BINS - 1]).is_none());
        assert!(Histogram::from_counts(vec![0; BINS]).is_none());
        assert!(Histogram::from_counts(vec![u64::MAX; BINS]).is_none());
        assert!(Histogram::from_counts(vec![1; BINS]).is_some());
    }
}
