//! A report that grows: what one call measured stays when another adds to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::outcome::SeedRun;

/// The version of `scores.json`.
pub(super) const VERSION: u32 = 3;

/// The report that is there.
#[derive(Default)]
pub(super) struct Earlier {
    folder: PathBuf,
    /// By the names of rows.
    runs: BTreeMap<String, Vec<SeedRun>>,
}

#[derive(Deserialize)]
struct Scores {
    version: u32,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    runs: Vec<SeedRun>,
}

impl Earlier {
    /// The report in a folder; nothing where there is none.
    ///
    /// # Errors
    /// A report that cannot be read, or of another version: it would be lost in silence.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("scores.json");
        if !path.exists() {
            return Ok(Earlier::default());
        }
        let what = || format!("cannot add to {}; without --add a new report takes its place", path.display());
        let text = fs::read(&path).with_context(what)?;
        let scores: Scores = serde_json::from_slice(&text).with_context(what)?;
        let version = scores.version;
        ensure!(version == VERSION, "{}: it is of version {version}, not {VERSION}", what());
        let runs = scores.rows.into_iter().map(|row| (row.name, row.runs)).collect();
        Ok(Earlier { folder: folder.to_owned(), runs })
    }

    /// Rows that it has.
    pub(super) fn rows(&self) -> impl Iterator<Item = &str> {
        self.runs.keys().map(String::as_str)
    }

    /// Seeds with which a row came to its end.
    pub(super) fn seeds(&self, row: &str) -> impl Iterator<Item = u64> {
        self.runs.get(row).into_iter().flatten().filter(|run| run.is_whole).map(|run| run.seed)
    }

    /// What a row came to with a seed, if it came to its end and was to do the same.
    pub(super) fn run(&self, row: &str, seed: u64, task: &str) -> Option<SeedRun> {
        let is_it = |run: &&SeedRun| run.seed == seed && run.is_whole && run.task == task;
        let mut run = self.runs.get(row)?.iter().find(is_it)?.clone();
        for picture in &mut run.pictures {
            picture.path = self.folder.join(&picture.file);
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::experiment::Experiment;
    use super::super::measured::tests::{experiment, measured};
    use super::super::outcome::{Outcome, Picture};
    use super::super::publication;
    use super::*;

    /// A report of two seeds of row `r`, of which the second was cut, and of a seed of row `q`.
    fn report(experiment: &Experiment, folder: &Path) -> PathBuf {
        let path = folder.join("a.png");
        fs::write(&path, [1, 2, 3]).unwrap();
        let mut rows: Vec<Outcome> = experiment.rows.iter().map(Outcome::new).collect();
        let run = |seed, task: &str, is_whole| SeedRun {
            seed,
            task: task.to_owned(),
            is_whole,
            values: [("x".to_owned(), 0.1 + seed as f64)].into(),
            ..SeedRun::default()
        };
        rows[0].runs = vec![run(1, "do", true), run(2, "do", false)];
        rows[1].runs = vec![run(1, "other", true)];
        let picture = |shows_data| Picture::new(path.clone(), "faces", shows_data);
        rows[0].runs[0].pictures = vec![picture(false), picture(true)];
        let out = folder.join("report");
        publication::write(&measured(experiment, rows), &out).unwrap();
        out
    }

    #[test]
    fn what_the_same_commands_made_stays_and_nothing_else() {
        let (folder, experiment) = (tempfile::tempdir().unwrap(), experiment());
        let earlier = Earlier::read(&report(&experiment, folder.path())).unwrap();
        let kept = earlier.run("r", 1, "do").unwrap();
        assert_eq!((kept.values["x"], kept.pictures.len()), (1.1, 2));
        assert_eq!(fs::read(&kept.pictures[1].path).unwrap(), [1, 2, 3]);
        let kept = kept.without_photographs();
        assert_eq!((kept.pictures.len(), kept.left_out.as_slice()), (1, &["faces".to_owned()][..]));
        for (row, seed, task) in [("r", 1, "more"), ("r", 2, "do"), ("r", 3, "do"), ("s", 1, "do")] {
            assert!(earlier.run(row, seed, task).is_none(), "{row}, {seed}, {task}");
        }
        assert_eq!(earlier.rows().collect::<Vec<_>>(), ["q", "r"]);
        assert_eq!(earlier.seeds("r").collect::<Vec<_>>(), [1], "the second was cut");
    }

    #[test]
    fn a_report_that_cannot_be_added_to_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Earlier::read(folder.path()).unwrap().runs.len(), 0, "there is none yet");
        for (text, part) in [
            (
                json!({ "version": 2, "rows": [{ "name": "r", "cells": [] }] }).to_string(),
                "of version 2, not 3",
            ),
            ("{".to_owned(), "without --add a new report takes its place"),
        ] {
            fs::write(folder.path().join("scores.json"), text).unwrap();
            let error = format!("{:#}", Earlier::read(folder.path()).err().unwrap());
            assert!(error.contains(part), "{error}");
        }
    }
}
