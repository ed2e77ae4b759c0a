use serde::Serialize;

use crate::{Error, Result};

/// How a probe learns. The defaults are for a thousand labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeConfig {
    /// Passes over the labelled images; that with the least error on held-out images is kept.
    pub epochs: usize,
    /// Images per step; all of them when there are fewer.
    pub batch: usize,
    /// Learning rate of the head (Adam, beta 0.9 and 0.999).
    pub rate: f64,
    /// Learning rate of the trunk, where it learns.
    pub trunk_rate: f64,
    /// Factor on both rates at the end; until then they decay geometrically from 1.
    pub decay_to: f64,
    /// Give nets without normalisation batch normalisation when they learn (section 6.1); at first it changes nothing
    /// that they compute.
    pub batch_norm: bool,
    /// Share of the features that each step leaves out.
    pub dropout: f64,
    /// Mirror each image with probability 1/2. Not for digits; not for a trunk that is frozen, whose maps are computed
    /// once.
    pub flip: bool,
    /// Labelled images beside those that are learned from, to choose the epoch by; with 0 the last one is kept.
    pub validation: usize,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        ProbeConfig {
            epochs: 30,
            batch: 50,
            rate: 1e-4,
            trunk_rate: 1e-3,
            decay_to: 0.05,
            batch_norm: true,
            dropout: 0.5,
            flip: false,
            validation: 1000,
        }
    }
}

impl ProbeConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// When a number is out of its range; the error names it, its value and what it may be.
    pub fn check(&self) -> Result<()> {
        let number = |name: &'static str, value: f64, ok: bool, must: &str| match ok && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Setting { name, value: value.to_string(), must: must.to_string() }),
        };
        number("the number of epochs", self.epochs as f64, self.epochs > 0, "at least 1")?;
        number("the batch", self.batch as f64, self.batch > 0, "at least 1")?;
        number("the learning rate", self.rate, self.rate >= 0.0, "at least 0")?;
        number("the trunk's learning rate", self.trunk_rate, self.trunk_rate >= 0.0, "at least 0")?;
        number("the decay", self.decay_to, self.decay_to > 0.0 && self.decay_to <= 1.0, "in (0, 1]")?;
        number("dropout", self.dropout, (0.0..1.0).contains(&self.dropout), "in [0, 1)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        ProbeConfig::default().check().unwrap();
        let spoils: [fn(&mut ProbeConfig); 6] = [
            |c| c.epochs = 0,
            |c| c.batch = 0,
            |c| c.rate = f64::NAN,
            |c| c.trunk_rate = -1.0,
            |c| c.decay_to = 0.0,
            |c| c.dropout = 1.0,
        ];
        for spoil in spoils {
            let mut config = ProbeConfig::default();
            spoil(&mut config);
            assert!(matches!(config.check(), Err(Error::Setting { .. })));
        }
    }
}
