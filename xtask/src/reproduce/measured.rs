//! All that was measured of an experiment in a profile.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::done::Done;
use super::earlier::VERSION;
use super::experiment::{Column, Experiment, Profile};
use super::outcome::Outcome;

pub(super) struct Measured<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) profile: &'a Profile,
    pub(super) profile_name: &'a str,
    /// Of this checkout.
    pub(super) revision: &'a str,
    /// What the data are, where they are not the profile's.
    pub(super) data: Option<String>,
    /// Their pictures have names.
    pub(super) rows: Vec<Outcome>,
}

impl Measured<'_> {
    /// How the numbers differ from the paper's.
    pub(super) fn differs(&self) -> String {
        let data = self.data.as_ref().map_or(String::new(), |data| format!(" {data}"));
        format!("{}{data}", self.profile.differs.trim())
    }

    /// What computed: where rows learn for the same time, they must have learned on the same machine.
    pub(super) fn machines(&self) -> String {
        let machines: BTreeSet<&str> = self.commands().map(|done| done.machine.as_str()).collect();
        let list = machines.iter().copied().collect::<Vec<_>>().join("; ");
        match machines.len() {
            0 | 1 => format!("Machine: {list}."),
            n => format!("Rows ran on {n} kinds of machines, so the same time is not the same work: {list}."),
        }
    }

    /// What there is to say of the whole: the experiment's notes, what failed, what is not here, and which code nobody else has.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.experiment.notes.clone();
        for row in &self.rows {
            notes.extend(row.failures().map(|failure| format!("{} failed, {failure}", row.name)));
        }
        let runs = self.rows.iter().flat_map(|row| &row.runs);
        let left_out: BTreeSet<&str> = runs.flat_map(|run| &run.left_out).map(String::as_str).collect();
        if !left_out.is_empty() {
            let all = left_out.into_iter().collect::<Vec<_>>().join("; ");
            notes
                .push(format!("Not shown, for they show images of the data; the commands make them: {all}."));
        }
        let dirty: BTreeSet<&str> =
            self.commands().filter(|done| done.is_dirty).map(|done| done.revision.as_str()).collect();
        if !dirty.is_empty() {
            let all = dirty.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!("The code held changes that are in no commit ({all})."));
        }
        notes
    }

    /// Whether the paper has a number in a column.
    pub(super) fn has_paper(&self, column: &Column) -> bool {
        self.rows.iter().any(|row| row.paper.contains_key(&column.name))
    }

    /// Whether a method's number is the best of its column.
    pub(super) fn is_best(&self, row: &Outcome, column: &Column) -> bool {
        let mean = |row: &Outcome| if row.is_data { None } else { Some(row.statistics(&column.name)?.0) };
        let (Some(own), Some(lower)) = (mean(row), column.lower) else {
            return false;
        };
        let is_better = |other: f64| if lower { other < own } else { other > own };
        let all: Vec<f64> = self.rows.iter().filter_map(mean).collect();
        all.len() > 1 && !all.into_iter().any(is_better)
    }

    /// All numbers, for programs, and for a report that grows ([`Earlier`](super::earlier::Earlier)).
    pub(super) fn scores(&self) -> Value {
        let columns: Vec<&str> = self.experiment.columns.iter().map(|column| column.name.as_str()).collect();
        let rows: Vec<Value> = self.rows.iter().map(|row| self.row_scores(row)).collect();
        json!({
            "version": VERSION,
            "title": self.experiment.title,
            "profile": self.profile_name,
            "differs": self.differs(),
            "revision": self.revision,
            "columns": columns,
            "rows": rows,
        })
    }

    fn row_scores(&self, row: &Outcome) -> Value {
        let cells = self.experiment.columns.iter().filter_map(|column| {
            let (mean, deviation) = row.statistics(&column.name)?;
            let seeds = row.values(&column.name);
            Some(json!({ "column": column.name, "mean": mean, "std_dev": deviation, "seeds": seeds }))
        });
        json!({
            "name": row.name, "is_data": row.is_data, "paper": row.paper, "cells": cells.collect::<Vec<_>>(),
            "runs": row.runs,
        })
    }

    fn commands(&self) -> impl Iterator<Item = &Done> {
        self.rows.iter().flat_map(Outcome::commands)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::outcome::{SeedRun, number};
    use super::*;

    pub(in super::super) fn experiment() -> Experiment {
        let text = "title = 't'\nabout = 'a'\nsource = 's'\n[[columns]]\nname = 'x'\ndigits = 1\nlower = true\n\
                    [[stages]]\nname = 'one'\nrun = ['train']\n[[rows]]\nname = 'r'\npaper = { x = 4.0 }\n\
                    [[rows]]\nname = 'q'\n[profiles.p]\ndiffers = 'd'\nseeds = [1]\nvars = {}\n";
        Experiment::parse(text, String::new()).unwrap()
    }

    pub(in super::super) fn measured(experiment: &Experiment, mut rows: Vec<Outcome>) -> Measured<'_> {
        number(&mut rows);
        let (profile, data) = (&experiment.profiles["p"], None);
        Measured { experiment, profile, profile_name: "p", revision: "rev", data, rows }
    }

    /// Two rows that were run, images of the data for scale, a row that was not run and one that failed.
    pub(in super::super) fn rows(experiment: &Experiment) -> Vec<Outcome> {
        let mut rows = Vec::new();
        let run = |seed, value: f64| SeedRun {
            seed,
            is_whole: true,
            values: [("x".to_owned(), value)].into(),
            ..SeedRun::default()
        };
        for (row, values) in experiment.rows.iter().zip([vec![1.0, 3.0], vec![2.5]]) {
            let done = Done {
                command: "mg train".to_owned(),
                seconds: 1.0,
                iterations: Some(7),
                revision: "rev".to_owned(),
                machine: format!("machine of {}", row.name),
                ..Done::default()
            };
            let mut runs: Vec<SeedRun> = (1..).zip(values).map(|(seed, value)| run(seed, value)).collect();
            runs[0].commands.push(done);
            rows.push(Outcome { runs, ..Outcome::new(row) });
        }
        rows.push(Outcome {
            name: "data".to_owned(),
            is_data: true,
            runs: vec![run(1, 0.0)],
            ..Outcome::default()
        });
        let paper = [("x".to_owned(), 5.0)].into();
        rows.push(Outcome { name: "other".to_owned(), paper, ..Outcome::default() });
        let bad = SeedRun {
            seed: 1,
            failure: Some("it diverged".to_owned()),
            left_out: vec!["faces".to_owned(), "hands".to_owned(), "faces".to_owned()],
            ..SeedRun::default()
        };
        rows.push(Outcome { name: "bad".to_owned(), runs: vec![bad], ..Outcome::default() });
        rows
    }

    #[test]
    fn scores_hold_every_number_under_its_name() {
        let experiment = experiment();
        let scores = measured(&experiment, rows(&experiment)).scores();
        let row = &scores["rows"][0];
        assert_eq!((&row["cells"][0]["column"], &row["cells"][0]["mean"]), (&json!("x"), &json!(2.0)));
        let run = &row["runs"][0];
        assert_eq!((&row["paper"]["x"], &run["commands"][0]["iterations"]), (&json!(4.0), &json!(7)));
        assert_eq!((&run["seed"], &run["values"]["x"]), (&json!(1), &json!(1.0)));
    }

    #[test]
    fn notes_say_what_went_wrong_and_what_is_not_here() {
        let experiment = experiment();
        let mut measured = measured(&experiment, rows(&experiment));
        let notes = measured.notes();
        assert_eq!(notes[0], "bad failed, seed 1: it diverged");
        assert!(notes[1].ends_with("the commands make them: faces; hands."));
        assert_eq!(notes.len(), 2);
        measured.rows[0].runs[0].commands[0].is_dirty = true;
        assert_eq!(measured.notes()[2], "The code held changes that are in no commit (rev).");
        assert!(measured.machines().contains("2 kinds of machines"));
    }
}
