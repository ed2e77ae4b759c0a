use std::fmt;

use candle_core::Tensor;

use crate::Result;
use crate::pixels::values;

/// |x| above which a pixel in [-1, 1] counts as saturated: within 1 % of black or white.
pub const SATURATION: f32 = 0.98;

/// The pixels of a batch in five numbers: what a divergence guard compares between chains and data.
///
/// Chains that run away pile up at the clamp: their deviation leaves the data's (0.85 against 0.42 in a run
/// that saturated) and their saturated share grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SampleStatistics {
    /// Mean of the finite values.
    pub mean: f64,
    /// Standard deviation of the finite values, over images, channels and places together (divisor n).
    pub std_dev: f64,
    /// Share of the finite values with |x| > [`SATURATION`].
    pub saturated: f64,
    /// Number of values that are infinite or not numbers.
    pub n_not_finite: usize,
    /// Number of all values.
    pub n: usize,
}

impl SampleStatistics {
    /// The statistics of a batch of any shape, values in [-1, 1].
    ///
    /// # Errors
    /// When the tensor cannot be read.
    pub fn of(x: &Tensor) -> Result<Self> {
        let values = values(x)?;
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let count = finite().count();
        let mean_of = |sum: f64| if count == 0 { 0.0 } else { sum / count as f64 };
        let mean = mean_of(finite().map(f64::from).sum());
        let variance = mean_of(finite().map(|v| (f64::from(v) - mean).powi(2)).sum());
        Ok(SampleStatistics {
            mean,
            std_dev: variance.sqrt(),
            saturated: mean_of(finite().filter(|v| v.abs() > SATURATION).count() as f64),
            n_not_finite: values.len() - count,
            n: values.len(),
        })
    }

    /// The statistics of these values and others together.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let finite = |s: &Self| (s.n - s.n_not_finite) as f64;
        let (a, b) = (finite(self), finite(others));
        let mean_of =
            |mine: f64, theirs: f64| if a + b == 0.0 { 0.0 } else { (a * mine + b * theirs) / (a + b) };
        let mean = mean_of(self.mean, others.mean);
        // Of each part: the variance around the common mean.
        let around = |s: &Self| s.std_dev.powi(2) + (s.mean - mean).powi(2);
        SampleStatistics {
            mean,
            std_dev: mean_of(around(self), around(others)).sqrt(),
            saturated: mean_of(self.saturated, others.saturated),
            n_not_finite: self.n_not_finite + others.n_not_finite,
            n: self.n + others.n,
        }
    }

    /// True when every value is a finite number.
    pub fn is_finite(&self) -> bool {
        self.n_not_finite == 0
    }

    /// Deviation of these pixels as a multiple of the data's: 1 for chains that look like the data, 0 for grey
    /// ones, 2 for 0.85 against 0.42. Infinite when the data has no deviation and the chains have.
    pub fn deviation_ratio(&self, data: &SampleStatistics) -> f64 {
        if self.std_dev == data.std_dev { 1.0 } else { self.std_dev / data.std_dev }
    }

    /// Share of saturated pixels beyond the data's own (portraits on white saturate by themselves).
    pub fn excess_saturation(&self, data: &SampleStatistics) -> f64 {
        self.saturated - data.saturated
    }
}

impl fmt::Display for SampleStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SampleStatistics { mean, std_dev, saturated, n_not_finite, n } = self;
        write!(f, "mean {mean:.3}, deviation {std_dev:.3}, {:.1} % saturated", 100.0 * saturated)?;
        if *n_not_finite > 0 {
            write!(f, ", {n_not_finite} of {n} not finite")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn of(values: &[f32]) -> SampleStatistics {
        SampleStatistics::of(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap()
    }

    #[test]
    fn statistics_are_those_computed_by_hand() {
        let s = of(&[1.0, -1.0, 0.5, -0.5]);
        assert_eq!((s.mean, s.saturated, s.n), (0.0, 0.5, 4));
        assert!((s.std_dev - 0.625f64.sqrt()).abs() < 1e-12);
        assert_eq!(s.to_string(), "mean 0.000, deviation 0.791, 50.0 % saturated");
        let half = Tensor::full(0.25f32, (2, 3, 4, 4), &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap();
        assert_eq!(SampleStatistics::of(&half).unwrap().mean, 0.25);
    }

    #[test]
    fn statistics_of_parts_are_those_of_the_whole() {
        let (parts, whole) =
            ([of(&[1.0, -0.25]), of(&[0.5, f32::NAN, 0.125])], of(&[1.0, -0.25, 0.5, f32::NAN, 0.125]));
        let sum = parts.iter().fold(SampleStatistics::default(), |sum, part| sum.with(part));
        for (a, b) in [(sum.mean, whole.mean), (sum.std_dev, whole.std_dev), (sum.saturated, whole.saturated)]
        {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        assert_eq!((sum.n, sum.n_not_finite), (5, 1));
    }

    #[test]
    fn saturated_chains_stand_out_from_their_data() {
        let data = of(&[0.42, -0.42, 0.42, -0.42]);
        let chains = of(&[1.0, -1.0, 1.0, -1.0]);
        assert!((chains.deviation_ratio(&data) - 1.0 / 0.42).abs() < 1e-6);
        assert_eq!(chains.excess_saturation(&data), 1.0);
        assert_eq!(data.deviation_ratio(&data), 1.0);
        assert_eq!(of(&[0.5, 0.5]).deviation_ratio(&of(&[0.1, 0.1])), 1.0);
        assert_eq!(chains.deviation_ratio(&of(&[0.1, 0.1])), f64::INFINITY);
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out() {
        let s = of(&[f32::NAN, 1.0, f32::INFINITY, 0.0]);
        assert_eq!((s.mean, s.n_not_finite, s.is_finite()), (0.5, 2, false));
        assert!(s.to_string().contains("2 of 4 not finite"));
        let none = of(&[f32::NAN]);
        assert_eq!((none.mean, none.std_dev, none.saturated), (0.0, 0.0, 0.0));
    }
}
