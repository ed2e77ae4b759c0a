use mg_random::Key;

use crate::error::check;
use crate::{Error, Result};

/// An estimate of log Z from the weights of an [`Ais`](crate::Ais), with how far to trust it.
///
/// The interval is a bootstrap: percentiles of the estimate over [`RESAMPLES`](LogZ::RESAMPLES) redrawings of the
/// weights. It knows the weights that were drawn, no others: where the effective sample size is near 1, one weight
/// decides everything, larger ones have not been seen yet, and log Z lies above the interval more often than its
/// level says. Then climb more temperatures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogZ {
    /// Logarithm of the mean weight.
    pub estimate: f64,
    /// Low and high end of the interval.
    pub interval: (f64, f64),
    /// Its level, 0.95 for 95 %.
    pub level: f64,
    /// Effective sample size of the weights, (sum w)^2 / sum w^2: from 1 to their number.
    pub ess: f64,
    /// Number of weights.
    pub n: usize,
}

impl LogZ {
    /// Redrawings of the bootstrap.
    pub const RESAMPLES: usize = 1000;

    /// log Z from the log weights of [`forward`](crate::Ais::forward) chains; `key` draws the bootstrap.
    ///
    /// # Errors
    /// When there are fewer than two weights, none counts, one is no number, or the level is not between 0 and 1.
    pub fn of(log_weights: &[f64], level: f64, key: Key) -> Result<Self> {
        check("level", level, level > 0.0 && level < 1.0, "between 0 and 1")?;
        let top = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let usable = log_weights.iter().filter(|w| w.is_finite()).count();
        let bad = log_weights.iter().any(|&w| w.is_nan() || w == f64::INFINITY);
        if log_weights.len() < 2 || usable == 0 || bad {
            return Err(Error::Weights { n: log_weights.len(), usable });
        }
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - top).exp()).collect(); // the greatest is 1
        let n = weights.len();
        let (sum, squares) = (weights.iter().sum::<f64>(), weights.iter().map(|w| w * w).sum::<f64>());
        let log_mean = |sum: f64| top + (sum / n as f64).ln();
        let mut stream = key.named("bootstrap").stream();
        let mut redrawn: Vec<f64> = (0..Self::RESAMPLES)
            .map(|_| log_mean((0..n).map(|_| weights[stream.below(n as u64) as usize]).sum()))
            .collect();
        redrawn.sort_by(f64::total_cmp);
        let last = (Self::RESAMPLES - 1) as f64;
        let at = |share: f64| redrawn[(share * last).round() as usize];
        let interval = (at(0.5 * (1.0 - level)), at(0.5 * (1.0 + level)));
        Ok(LogZ { estimate: log_mean(sum), interval, level, ess: sum * sum / squares, n })
    }

    /// log Z from the log weights of [`reverse`](crate::Ais::reverse) chains, whose mean estimates 1 / Z.
    ///
    /// # Errors
    /// As [`of`](LogZ::of).
    pub fn of_reverse(log_weights: &[f64], level: f64, key: Key) -> Result<Self> {
        let inverse = LogZ::of(log_weights, level, key)?;
        let (low, high) = inverse.interval;
        Ok(LogZ { estimate: -inverse.estimate, interval: (-high, -low), ..inverse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_leave_no_doubt() {
        let log_z = LogZ::of(&[700.0; 8], 0.95, Key::new(0)).unwrap();
        assert_eq!((log_z.estimate, log_z.interval, log_z.ess, log_z.n), (700.0, (700.0, 700.0), 8.0, 8));
        let reverse = LogZ::of_reverse(&[700.0; 8], 0.95, Key::new(0)).unwrap();
        assert_eq!((reverse.estimate, reverse.interval), (-700.0, (-700.0, -700.0)));
    }

    #[test]
    fn the_estimate_is_the_logarithm_of_the_mean_at_any_scale() {
        for shift in [-1e5, 0.0, 1e5] {
            let weights = [1.0f64, 2.0, 5.0, 0.0].map(|w| w.ln() + shift);
            let log_z = LogZ::of(&weights, 0.9, Key::new(1)).unwrap();
            assert!((log_z.estimate - shift - 2f64.ln()).abs() < 1e-10, "{log_z:?}");
            assert!((log_z.ess - 64.0 / 30.0).abs() < 1e-9);
            let (low, high) = log_z.interval;
            assert!(low < log_z.estimate && log_z.estimate < high && high <= shift + 5f64.ln());
        }
    }

    #[test]
    fn the_interval_covers_at_about_its_level_and_depends_on_the_key_alone() {
        // Log-normal weights of deviation 1/2 have the mean exp(1/8).
        let (n, repetitions) = (60, 400);
        let weights = |i: u64| -> Vec<f64> {
            let mut stream = Key::new(7).fold(i).stream();
            (0..n).map(|_| 0.5 * f64::from(stream.normal())).collect()
        };
        let covered = (0..repetitions).filter(|&i| {
            let (low, high) = LogZ::of(&weights(i), 0.9, Key::new(8).fold(i)).unwrap().interval;
            low <= 0.125 && 0.125 <= high
        });
        // Binomial with 0.9: 360 +- 6; the bootstrap of a skewed mean covers a little less.
        let covered = covered.count();
        assert!((335..=382).contains(&covered), "{covered} of {repetitions}");
        let of = |key| LogZ::of(&weights(0), 0.9, key).unwrap();
        assert_eq!(of(Key::new(1)), of(Key::new(1)));
        assert_ne!(of(Key::new(1)).interval, of(Key::new(2)).interval);
    }

    #[test]
    fn weights_that_estimate_nothing_are_refused() {
        let none = f64::NEG_INFINITY;
        for weights in [&[][..], &[0.0], &[none, none], &[0.0, f64::NAN], &[0.0, f64::INFINITY]] {
            let error = LogZ::of(weights, 0.95, Key::new(0)).unwrap_err();
            assert!(matches!(error, Error::Weights { .. }), "{error}");
        }
        assert!(LogZ::of(&[none, 0.0], 0.95, Key::new(0)).is_ok());
        for level in [0.0, 1.0, f64::NAN] {
            assert!(LogZ::of(&[0.0, 0.0], level, Key::new(0)).is_err());
        }
    }
}
