//! What a row came to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::done::Done;
use super::experiment::Row;

#[derive(Default)]
pub(super) struct Outcome {
    /// Name of the row.
    pub(super) name: String,
    /// No method but images of the data.
    pub(super) is_data: bool,
    /// The paper's numbers, by the names of columns.
    pub(super) paper: BTreeMap<String, f64>,
    /// Ours, by the names of columns.
    pub(super) cells: BTreeMap<String, Cell>,
    pub(super) commands: Vec<Done>,
    pub(super) pictures: Vec<Picture>,
    /// What pictures show that the report does without, because it is images of the data.
    pub(super) left_out: Vec<String>,
    /// What went wrong, by seed.
    pub(super) failures: Vec<String>,
}

/// One value a seed.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) values: Vec<f64>,
}

pub(super) struct Picture {
    pub(super) path: PathBuf,
    pub(super) shows: String,
}

impl Outcome {
    pub(super) fn new(row: &Row) -> Self {
        let (name, paper) = (row.name.clone(), row.paper.clone());
        Outcome { name, is_data: row.is_data, paper, ..Outcome::default() }
    }

    /// The mean of a column over seeds.
    pub(super) fn mean(&self, column: &str) -> Option<f64> {
        Some(self.cells.get(column)?.statistics()?.0)
    }
}

impl Cell {
    /// Mean, and with several seeds the standard deviation (divisor n - 1).
    pub(super) fn statistics(&self) -> Option<(f64, Option<f64>)> {
        let n = self.values.len();
        if n == 0 {
            return None;
        }
        let mean = self.values.iter().sum::<f64>() / n as f64;
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        Some((mean, (n > 1).then(|| (squares / (n - 1) as f64).sqrt())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_seeds_have_a_deviation() {
        let statistics = |values: &[f64]| Cell { values: values.to_vec() }.statistics();
        assert_eq!(statistics(&[]), None);
        assert_eq!(statistics(&[2.0]), Some((2.0, None)));
        assert_eq!(statistics(&[1.0, 2.0, 3.0]), Some((2.0, Some(1.0))));
    }
}
