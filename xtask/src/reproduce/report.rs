//! What came out, beside the paper's numbers: a table, JSON, and a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::experiment::{Column, Experiment, Profile, Row};
use super::page;
use super::stage::Done;

pub(super) struct Report<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) profile: &'a Profile,
    pub(super) profile_name: &'a str,
    pub(super) revision: &'a str,
    /// What the data are, where they are not the profile's.
    pub(super) data: Option<String>,
    pub(super) rows: Vec<Outcome>,
}

/// What a row came to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) name: String,
    /// No method but images of the data.
    pub(super) is_data: bool,
    pub(super) paper: Vec<f64>,
    /// By column.
    pub(super) cells: BTreeMap<usize, Cell>,
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

impl<'a> Report<'a> {
    pub(super) fn of(
        experiment: &'a Experiment,
        profile: &'a Profile,
        profile_name: &'a str,
        revision: &'a str,
    ) -> Self {
        Report { experiment, profile, profile_name, revision, data: None, rows: Vec::new() }
    }

    /// How the numbers differ from the paper's.
    pub(super) fn differs(&self) -> String {
        let data = self.data.as_ref().map_or(String::new(), |data| format!(" {data}"));
        format!("{}{data}", self.profile.differs.trim())
    }

    /// What computed: where rows learn for the same time, they must have learned on the same machine.
    pub(super) fn machines(&self) -> String {
        let commands = self.rows.iter().flat_map(|row| &row.commands);
        let machines: BTreeSet<&str> = commands.map(|done| done.machine.as_str()).collect();
        let list = machines.iter().copied().collect::<Vec<_>>().join("; ");
        match machines.len() {
            0 | 1 => format!("Machine: {list}."),
            n => format!("Rows ran on {n} kinds of machines, so the same time is not the same work: {list}."),
        }
    }

    /// A cell as text: ours, with the deviation over seeds.
    pub(super) fn ours(&self, outcome: &Outcome, column: usize) -> String {
        let digits = self.experiment.columns[column].digits;
        match outcome.cells.get(&column).and_then(Cell::statistics) {
            Some((mean, Some(deviation))) => format!("{mean:.digits$} ± {deviation:.digits$}"),
            Some((mean, None)) => format!("{mean:.digits$}"),
            None if !outcome.failures.is_empty() => "failed".to_owned(),
            None if outcome.commands.is_empty() => "not run".to_owned(),
            None => "-".to_owned(),
        }
    }

    /// The paper's cell as text, where its column has any number of the paper.
    pub(super) fn paper(&self, outcome: &Outcome, column: usize) -> Option<String> {
        let digits = self.experiment.columns[column].digits;
        let text = outcome.paper.get(column).map_or("-".to_owned(), |value| format!("{value:.digits$}"));
        self.has_paper(column).then_some(text)
    }

    /// Whether the paper has a number in a column.
    pub(super) fn has_paper(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.paper.len() > column)
    }

    /// Whether a method's cell is the best of its column.
    pub(super) fn is_best(&self, outcome: &Outcome, column: usize) -> bool {
        let mean = |outcome: &Outcome| {
            let cell = outcome.cells.get(&column).filter(|_| !outcome.is_data)?;
            Some(cell.statistics()?.0)
        };
        let (Some(own), Some(lower)) = (mean(outcome), self.experiment.columns[column].lower) else {
            return false;
        };
        let better = |other: f64| if lower { other < own } else { other > own };
        self.rows.iter().filter_map(mean).count() > 1 && !self.rows.iter().filter_map(mean).any(better)
    }

    /// The table in Markdown, or the list of what the figure shows.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        let columns = &self.experiment.columns;
        if columns.is_empty() {
            for picture in self.rows.iter().flat_map(|row| &row.pictures) {
                let _ = writeln!(text, "- {}", picture.shows);
            }
            return text;
        }
        let headings = columns.iter().enumerate().flat_map(|(column, Column { name, .. })| {
            [Some(name.as_str()), self.has_paper(column).then_some("paper")].into_iter().flatten()
        });
        let headings: Vec<&str> = headings.collect();
        let _ = writeln!(text, "| | {} |", headings.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(headings.len()));
        for row in &self.rows {
            let cells = (0..columns.len()).flat_map(|column| {
                let (ours, mark) =
                    (self.ours(row, column), if self.is_best(row, column) { "**" } else { "" });
                [Some(format!("{mark}{ours}{mark}")), self.paper(row, column)].into_iter().flatten()
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(text, "| {} | {} |", row.name, cells.join(" | "));
        }
        text
    }

    /// What there is to say of the whole: the experiment's notes, what failed, and what is not here.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.experiment.notes.clone();
        for row in &self.rows {
            notes.extend(row.failures.iter().map(|failure| format!("{} failed, {failure}", row.name)));
        }
        let mut left_out: Vec<&str> =
            self.rows.iter().flat_map(|row| &row.left_out).map(String::as_str).collect();
        left_out.sort_unstable();
        left_out.dedup();
        if !left_out.is_empty() {
            let all = left_out.join("; ");
            notes
                .push(format!("Not shown, for they show images of the data; the commands make them: {all}."));
        }
        notes
    }

    fn markdown(&self, pictures: &[Shown<'_>]) -> String {
        let Experiment { title, about, source, .. } = self.experiment;
        let mut text = format!(
            "# {title}, profile `{}`\n\n{about} ({source})\n\n**How this differs from the paper:** {}\n\n{}\n",
            self.profile_name,
            self.differs(),
            self.table()
        );
        for note in self.notes() {
            let _ = writeln!(text, "- {note}");
        }
        for Shown { name: file, shows, .. } in pictures {
            let _ = write!(text, "\n![{shows}]({file})\n\n{shows}\n");
        }
        let _ = write!(
            text,
            "\n## Commands\n\nRevision of this report: {}. {}\n\n",
            self.revision,
            self.machines()
        );
        for row in self.rows.iter().filter(|row| !row.commands.is_empty()) {
            let _ = write!(text, "{}:\n\n```sh\n", row.name);
            for done in &row.commands {
                let _ = writeln!(text, "{}", done.line());
            }
            text.push_str("```\n\n");
        }
        text
    }

    fn json(&self) -> Value {
        let columns: Vec<&str> = self.experiment.columns.iter().map(|column| column.name.as_str()).collect();
        let row = |row: &Outcome| {
            let cells = row.cells.iter().map(|(column, cell)| {
                let (mean, deviation) = cell.statistics().unwrap_or_default();
                json!({ "column": columns[*column], "mean": mean, "std_dev": deviation, "seeds": cell.values })
            });
            let commands = row.commands.iter().map(
                |done| json!({ "command": done.command, "seconds": done.seconds, "iterations": done.iterations, "revision": done.revision, "machine": done.machine }),
            );
            json!({
                "name": row.name, "is_data": row.is_data, "paper": row.paper, "failures": row.failures,
                "cells": cells.collect::<Vec<_>>(), "commands": commands.collect::<Vec<_>>(),
            })
        };
        json!({
            "version": 1,
            "title": self.experiment.title,
            "profile": self.profile_name,
            "differs": self.differs(),
            "revision": self.revision,
            "columns": columns,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    /// Writes README.md, scores.json, index.html and the pictures; where the experiment wants it, a page for every row too.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut shown = Vec::new();
        for (number, (row, picture)) in self.pictures().enumerate() {
            let ending = picture.path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let name = format!("{:02}.{ending}", number + 1);
            let bytes =
                fs::read(&picture.path).with_context(|| format!("cannot read {}", picture.path.display()))?;
            put(&folder.join(&name), &bytes)?;
            shown.push(Shown { row, name, shows: &picture.shows, bytes });
        }
        put(&folder.join("README.md"), self.markdown(&shown).as_bytes())?;
        put(&folder.join("scores.json"), serde_json::to_string_pretty(&self.json())?.as_bytes())?;
        if self.experiment.page_per_row {
            for row in self.rows.iter().filter(|row| !row.commands.is_empty()) {
                let page = page::of_row(self, row, shown.iter().filter(|shown| shown.row == row.name));
                put(&folder.join(page_name(row)), page.as_bytes())?;
            }
        }
        put(&folder.join("index.html"), page::of_all(self, &shown).as_bytes())
    }

    fn pictures(&self) -> impl Iterator<Item = (&str, &Picture)> {
        self.rows.iter().flat_map(|row| row.pictures.iter().map(|picture| (row.name.as_str(), picture)))
    }
}

/// A picture of the report.
pub(super) struct Shown<'a> {
    /// Name of its row.
    pub(super) row: &'a str,
    /// Name of its file.
    pub(super) name: String,
    pub(super) shows: &'a str,
    pub(super) bytes: Vec<u8>,
}

/// The file of a row's own page.
pub(super) fn page_name(row: &Outcome) -> String {
    let word: String =
        row.name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("{word}.html")
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment() -> Experiment {
        toml::from_str(
            "title = 't'\nabout = 'a'\nsource = 's'\n[[columns]]\nname = 'x'\ndigits = 1\nlower = true\n\
             [[stages]]\nname = 'one'\nrun = 'train'\n[[rows]]\nname = 'r'\npaper = [4.0]\n[[rows]]\nname = 'q'\n\
             [profiles.p]\ndiffers = 'd'\nseeds = [1]\nvars = {}\n",
        )
        .unwrap()
    }

    #[test]
    fn a_table_holds_our_numbers_beside_the_paper_s() {
        let experiment = experiment();
        let mut report = Report::of(&experiment, &experiment.profiles["p"], "p", "rev");
        for (row, values) in experiment.rows.iter().zip([vec![1.0, 3.0], vec![2.5]]) {
            let mut outcome = Outcome::new(row);
            outcome.cells.insert(0, Cell { values });
            outcome.commands.push(Done {
                command: "mg train".to_owned(),
                seconds: 1.0,
                iterations: Some(7),
                revision: "rev".to_owned(),
                machine: format!("machine of {}", row.name),
            });
            report.rows.push(outcome);
        }
        // Images of the data are shown for scale; a column may have no best at all.
        let mut data = Outcome { name: "data".to_owned(), is_data: true, ..Outcome::default() };
        data.cells.insert(0, Cell { values: vec![0.0] });
        report.rows.push(data);
        report.rows.push(Outcome { name: "other".to_owned(), paper: vec![5.0], ..Outcome::default() });
        let failures = vec!["seed 1: it diverged".to_owned()];
        let left_out = vec!["faces".to_owned(), "hands".to_owned(), "faces".to_owned()];
        report.rows.push(Outcome { name: "bad".to_owned(), failures, left_out, ..Outcome::default() });
        let expected = "| | x | paper |\n|---|---:|---:|\n| r | **2.0 ± 1.4** | 4.0 |\n| q | 2.5 | - |\n| data | 0.0 | - |\n| other | not run | 5.0 |\n\
                        | bad | failed | - |\n";
        assert_eq!(report.table(), expected);
        assert_eq!(report.json()["rows"][0]["cells"][0]["mean"], 2.0);
        let text = report.markdown(&[]);
        assert!(
            text.contains("profile `p`")
                && text.contains("mg train  # 1 s, 7 iterations, rev")
                && text.contains("2 kinds of machines")
                && text.contains("from the paper:** d\n")
                && text.contains("\n- bad failed, seed 1: it diverged\n- Not shown")
                && text.contains("the commands make them: faces; hands.\n")
        );
        let mut neither = experiment.clone();
        neither.columns[0].lower = None;
        let mut report = Report { experiment: &neither, ..report };
        assert!(!report.table().contains("**"));
        report.rows.iter_mut().for_each(|row| row.paper.clear());
        assert!(report.table().starts_with("| | x |\n|---|---:|\n| r | 2.0 ± 1.4 |\n"), "{}", report.table());
    }

    #[test]
    fn every_row_that_ran_has_a_page_of_its_own_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("a.png");
        fs::write(&picture, [1, 2, 3]).unwrap();
        let mut experiment = experiment();
        experiment.rows[0].name = "multi-grid & more".to_owned();
        experiment.page_per_row = true;
        let mut report = Report::of(&experiment, &experiment.profiles["p"], "p", "rev");
        report.rows.extend(experiment.rows.iter().map(Outcome::new));
        let done = Done {
            command: "mg train".to_owned(),
            seconds: 1.0,
            iterations: None,
            revision: String::new(),
            machine: String::new(),
        };
        report.rows[0].commands.push(done);
        report.rows[0].pictures.push(Picture { path: picture, shows: "faces".to_owned() });
        let out = folder.path().join("report");
        report.write(&out).unwrap();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let (index, row) = (read("index.html"), read("multi-grid---more.html"));
        assert!(index.contains("<a href=\"multi-grid---more.html\">multi-grid &amp; more</a>"));
        assert!(!index.contains("data:image") && row.contains("data:image/png;base64,AQID"));
        assert!(row.contains("<title>multi-grid &amp; more, p</title>") && row.contains("mg train"));
        assert!(!out.join("q.html").exists(), "q was not run");
    }
}
