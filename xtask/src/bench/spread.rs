//! A number measured several times.

use std::fmt;

use serde_json::{Value, json};

/// Median, least and greatest.
#[derive(Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let n = values.len();
        Some(Spread { median: 0.5 * (values[(n - 1) / 2] + values[n / 2]), min, max })
    }

    pub(super) fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }

    /// A cell of a table; `-` where nothing was measured.
    pub(super) fn cell(spread: Option<Spread>) -> String {
        spread.map_or("-".to_string(), |spread| spread.to_string())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = decimals(self.median);
        let [median, min, max] = [self.median, self.min, self.max].map(|value| format!("{value:.digits$}"));
        match min == max {
            true => f.write_str(&median),
            false => write!(f, "{median} ({min} - {max})"),
        }
    }
}

/// Decimals that show three digits of `value`, or all before the point.
pub(super) fn decimals(value: f64) -> usize {
    (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_number_of_runs_takes_the_middle_of_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!(spread, Some(Spread { median: 3.0, min: 1.0, max: 10.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn three_digits_of_large_and_small_numbers_are_shown() {
        let shown = |values: &[f64]| Spread::cell(Spread::of(values.iter().copied()));
        assert_eq!(shown(&[1170.4, 1166.9, 1185.2]), "1170 (1167 - 1185)");
        assert_eq!(shown(&[0.000_123_4, 0.000_118_2, 0.001]), "0.000123 (0.000118 - 0.001000)");
        assert_eq!(shown(&[6.4]), "6.40");
        assert_eq!(shown(&[6.4, 6.402]), "6.40");
        assert_eq!(shown(&[]), "-");
    }
}
