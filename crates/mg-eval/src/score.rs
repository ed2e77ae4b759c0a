use std::fmt;

use crate::{Error, Result};

/// A number that was measured several times: mean and standard deviation over n splits, draws or images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean of the values.
    pub mean: f64,
    /// Standard deviation of the values (divisor n, as the inception score's ten splits are reported).
    pub std_dev: f64,
    /// Number of values.
    pub n: usize,
}

impl Score {
    /// The score of several values.
    ///
    /// # Errors
    /// When there are none.
    pub fn of(values: &[f64]) -> Result<Self> {
        let n = values.len();
        if n == 0 {
            return Err(Error::NoValues);
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        Ok(Score { mean, std_dev: variance.sqrt(), n })
    }

    /// Standard error of the mean, with divisor n - 1 for the variance; None for a single value.
    pub fn std_error(&self) -> Option<f64> {
        (self.n > 1).then(|| self.std_dev / ((self.n - 1) as f64).sqrt())
    }
}

/// `6.565 ± 0.071 (n = 10)`, with three decimals or the precision asked for; `6.565` when n is 1.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$}", self.mean)?;
        if self.n > 1 {
            write!(f, " ± {:.digits$} (n = {})", self.std_dev, self.n)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_has_the_mean_and_spread_of_its_values() {
        let score = Score::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(score, Score { mean: 5.0, std_dev: 2.0, n: 8 });
        assert!((score.std_error().unwrap() - 2.0 / 7f64.sqrt()).abs() < 1e-15);
        assert!(Score::of(&[]).is_err());
        assert!(Score::of(&[1.0]).unwrap().std_error().is_none());
    }

    #[test]
    fn scores_print_as_tables_print_them() {
        let score = Score { mean: 11.23678, std_dev: 0.0951, n: 10 };
        assert_eq!(score.to_string(), "11.237 ± 0.095 (n = 10)");
        assert_eq!(format!("{score:.1}"), "11.2 ± 0.1 (n = 10)");
        assert_eq!(Score::of(&[16.42]).unwrap().to_string(), "16.420");
    }
}
