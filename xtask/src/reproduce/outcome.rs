//! What a row came to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// Seed by seed.
    pub(super) runs: Vec<SeedRun>,
}

/// A row with one seed: what its stages came to. `scores.json` has it in this form.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct SeedRun {
    pub(super) seed: u64,
    /// What it was to do, hashed: the words of all its stages and the data, but not the code.
    pub(super) task: String,
    /// Whether all its stages are done.
    pub(super) is_whole: bool,
    /// By the names of columns.
    pub(super) values: BTreeMap<String, f64>,
    pub(super) commands: Vec<Done>,
    pub(super) pictures: Vec<Picture>,
    /// What pictures show that the report does without, because it is images of the data.
    pub(super) left_out: Vec<String>,
    /// What went wrong.
    pub(super) failure: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Picture {
    /// Where it lies.
    #[serde(skip)]
    pub(super) path: PathBuf,
    /// Name of its file in a report; empty until [`number`] gives it one.
    pub(super) file: String,
    pub(super) shows: String,
    /// Whether it shows images of the data.
    pub(super) shows_data: bool,
}

impl SeedRun {
    /// Leaves out pictures that show images of the data.
    pub(super) fn without_photographs(mut self) -> Self {
        let (data, others) = self.pictures.into_iter().partition(|picture: &Picture| picture.shows_data);
        self.pictures = others;
        self.left_out.extend(data.into_iter().map(|picture: Picture| picture.shows));
        self
    }
}

impl Picture {
    pub(super) fn new(path: PathBuf, shows: &str, shows_data: bool) -> Self {
        Picture { path, file: String::new(), shows: shows.to_owned(), shows_data }
    }
}

/// Names the pictures of a report by their order in it.
pub(super) fn number(rows: &mut [Outcome]) {
    let runs = rows.iter_mut().flat_map(|row| &mut row.runs);
    for (number, picture) in (1..).zip(runs.flat_map(|run| &mut run.pictures)) {
        let extension = picture.path.extension().unwrap_or_default().to_string_lossy();
        picture.file = format!("{number:02}.{extension}");
    }
}

impl Outcome {
    pub(super) fn new(row: &Row) -> Self {
        let (name, paper) = (row.name.clone(), row.paper.clone());
        Outcome { name, is_data: row.is_data, paper, runs: Vec::new() }
    }

    /// Ours in a column, seed by seed.
    pub(super) fn values(&self, column: &str) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.values.get(column).copied()).collect()
    }

    pub(super) fn statistics(&self, column: &str) -> Option<(f64, Option<f64>)> {
        statistics(&self.values(column))
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &Done> {
        self.runs.iter().flat_map(|run| &run.commands)
    }

    /// All pictures, with their seeds.
    pub(super) fn pictures(&self) -> impl Iterator<Item = (u64, &Picture)> {
        self.runs.iter().flat_map(|run| run.pictures.iter().map(|picture| (run.seed, picture)))
    }

    /// What went wrong, with the seed.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        let told = |run: &SeedRun| Some(format!("seed {}: {}", run.seed, run.failure.as_ref()?));
        self.runs.iter().filter_map(told)
    }
}

/// Mean, and of several the standard deviation (divisor n - 1).
fn statistics(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (n > 1).then(|| (squares / (n - 1) as f64).sqrt())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_seeds_have_a_deviation() {
        assert_eq!(statistics(&[]), None);
        assert_eq!(statistics(&[2.0]), Some((2.0, None)));
        assert_eq!(statistics(&[1.0, 2.0, 3.0]), Some((2.0, Some(1.0))));
    }
}
