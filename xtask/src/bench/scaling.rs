//! How the cost grows with the batch, the side of the grid and the number of steps.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::Findings;
use super::sample::Sample;
use super::side::Side;
use super::spread::Spread;

/// One option of ours that takes several values.
struct Series {
    /// The option without its dashes, and the heading of the first column.
    name: &'static str,
    values: &'static [usize],
    /// What the panel of the plot shows.
    title: &'static str,
    /// Columns that the plot shows, then those of the table only.
    lines: &'static [Column],
    others: &'static [Column],
}

/// Heading, and the number out of a sample and the option's value.
type Column = (&'static str, fn(&Sample, usize) -> Option<f64>);

const GRIDS: [&str; 3] = ["4", "16", "64"];

const SERIES: [Series; 3] = [
    Series {
        name: "batch",
        values: &[1, 2, 5, 10, 20, 50, 100, 200],
        title: "a step, against the batch",
        lines: &[
            ("grid 4", |sample, _| sample.figure("step_s.4")),
            ("grid 16", |sample, _| sample.figure("step_s.16")),
            ("grid 64", |sample, _| sample.figure("step_s.64")),
        ],
        others: &[
            ("all grids, ms per image", |sample, batch| Some(1e3 * all_grids(sample)? / batch as f64)),
            ("update", |sample, _| sample.figure("update_s")),
            ("memory, MiB", |sample, _| sample.figure("peak_mib")),
        ],
    },
    Series {
        name: "side",
        values: &[4, 8, 16, 32, 64, 128],
        title: "a step, against the grid's side",
        // The paper has nets for its grids; `NetSpec::paper` says which one another side takes.
        lines: &[
            ("net of 4", |sample, side| one_grid(sample, side).filter(|_| side <= 8)),
            ("net of 16", |sample, side| one_grid(sample, side).filter(|_| (9..=32).contains(&side))),
            ("net of 64", |sample, side| one_grid(sample, side).filter(|_| side > 32)),
        ],
        others: &[
            ("us per pixel", |sample, side| {
                let pixels = sample.figure("batch")? * (side * side) as f64;
                Some(1e6 * one_grid(sample, side)? / pixels)
            }),
            ("update", |sample, _| sample.figure("update_s")),
            ("memory, MiB", |sample, _| sample.figure("peak_mib")),
        ],
    },
    Series {
        name: "steps",
        values: &[10, 20, 40],
        title: "a run, against its steps",
        lines: &[
            ("grid 4", |sample, steps| Some(sample.figure("step_s.4")? * steps as f64)),
            ("grid 16", |sample, steps| Some(sample.figure("step_s.16")? * steps as f64)),
            ("grid 64", |sample, steps| Some(sample.figure("step_s.64")? * steps as f64)),
        ],
        others: &[("all grids, per step", |sample, _| all_grids(sample))],
    },
];

impl Series {
    /// Its lines through the medians of its samples, as a panel of a plot.
    fn panel(&self, samples: &[Vec<Sample>], batch: &str) -> Value {
        let line = |column: &Column| {
            let at = |(value, samples): (&usize, &Vec<Sample>)| {
                Some((*value as f64, spread(column, *value, samples)?.median))
            };
            let points: Vec<(f64, f64)> = self.values.iter().zip(samples).filter_map(at).collect();
            json!({ "name": column.0, "points": points })
        };
        json!({
            "title": format!("{}{batch}", self.title),
            "x": self.name,
            "y": "seconds",
            "log_x": true,
            "log_y": true,
            "lines": self.lines.iter().map(line).collect::<Vec<Value>>(),
        })
    }
}

/// A column's numbers out of the samples of one value.
fn spread((_, of): &Column, value: usize, samples: &[Sample]) -> Option<Spread> {
    Spread::of(samples.iter().filter_map(|sample| of(sample, value)))
}

fn one_grid(sample: &Sample, side: usize) -> Option<f64> {
    sample.figure(&format!("step_s.{side}"))
}

fn all_grids(sample: &Sample) -> Option<f64> {
    GRIDS.iter().map(|grid| sample.figure(&format!("step_s.{grid}"))).sum()
}

/// Samples of every value of every series, run by run.
pub(super) struct Scaling {
    /// In the order of `SERIES` and their values.
    samples: Vec<Vec<Vec<Sample>>>,
    batch: String,
}

impl Scaling {
    /// The options hold for every sample, but for the one that a series varies.
    pub(super) fn measure(root: &Path, ours: &Side, options: &[String], runs: usize) -> Result<Self> {
        let empty = |series: &Series| vec![Vec::new(); series.values.len()];
        let batch = options.iter().skip_while(|option| *option != "--batch").nth(1);
        let batch = batch.context("no --batch among the options")?.clone();
        let mut scaling = Scaling { samples: SERIES.iter().map(empty).collect(), batch };
        for run in 0..runs {
            println!("run {} of {runs}", run + 1);
            for (series, samples) in SERIES.iter().zip(&mut scaling.samples) {
                for (value, samples) in series.values.iter().zip(samples) {
                    let sample = ours.measure(root, &with(options, series.name, *value))?;
                    let seconds =
                        series.lines.iter().filter_map(|(name, of)| Some((name, of(&sample, *value)?)));
                    let seconds: Vec<String> =
                        seconds.map(|(name, seconds)| format!("{name} {seconds:.6} s")).collect();
                    ensure!(!seconds.is_empty(), "the JSON line has no time of a step: {}", sample.json);
                    println!("{} {value}: {}", series.name, seconds.join(", "));
                    samples.push(sample);
                }
            }
        }
        Ok(scaling)
    }

    pub(super) fn findings(&self) -> Findings {
        let mut text = String::from("\nMedian (least - greatest); seconds where nothing else is said.\n");
        let (mut summary, mut panels) = (Vec::new(), Vec::new());
        for (series, samples) in SERIES.iter().zip(&self.samples) {
            let columns = || series.lines.iter().chain(series.others);
            let headings: Vec<&str> = columns().map(|(heading, _)| *heading).collect();
            let batch =
                if series.name == "batch" { String::new() } else { format!(", batch {}", self.batch) };
            let _ = writeln!(text, "\nSeconds of {}{batch}:\n", series.title);
            let _ = writeln!(text, "| {} | {} |", series.name, headings.join(" | "));
            let _ = writeln!(text, "|---{}|", "|---".repeat(headings.len()));
            for (value, samples) in series.values.iter().zip(samples) {
                let spread = |column: &Column| spread(column, *value, samples);
                let cells: Vec<String> = columns().map(|column| Spread::cell(spread(column))).collect();
                let _ = writeln!(text, "| {value} | {} |", cells.join(" | "));
                let mut row = json!({ series.name: value });
                columns().for_each(|column| row[column.0] = json!(spread(column).map(|s| s.json())));
                summary.push(row);
            }
            panels.push(series.panel(samples, &batch));
        }
        let runs: Vec<Value> =
            self.samples.iter().flatten().flatten().map(|sample| sample.json.clone()).collect();
        Findings { text, runs, summary: summary.into(), plot: Some(panels.into()) }
    }
}

/// The options with this one's value, which takes the place of an earlier one.
fn with(options: &[String], name: &str, value: usize) -> Vec<String> {
    let pairs = options.chunks(2).filter(|pair| pair[0].trim_start_matches('-') != name);
    pairs.flatten().cloned().chain([format!("--{name}"), value.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_option_takes_the_place_of_another() {
        let options = ["--batch", "100", "--threads", "2"].map(str::to_string);
        assert_eq!(with(&options, "batch", 5).join(" "), "--threads 2 --batch 5");
        assert_eq!(with(&options, "side", 8).join(" "), "--batch 100 --threads 2 --side 8");
    }

    #[test]
    fn every_value_has_a_row_and_every_series_a_panel() {
        let sample = |_: &usize| {
            let json = json!({
                "batch": 100, "update_s": 2.0, "peak_mib": 300,
                "step_s": { "4": 0.1, "8": 0.1, "16": 0.1, "32": 0.1, "64": 0.3, "128": 2.0, },
            });
            vec![Sample { json }]
        };
        let samples = |series: &Series| series.values.iter().map(sample).collect();
        let scaling = Scaling { samples: SERIES.iter().map(samples).collect(), batch: "100".to_string() };
        let findings = scaling.findings();
        for row in [
            "| 200 | 0.100 | 0.100 | 0.300 | 2.50 | 2.00 | 300 |",
            "| 8 | 0.100 | - | - | 15.6 | 2.00 | 300 |",
            "| 40 | 4.00 | 4.00 | 12.0 | 0.500 |",
        ] {
            assert!(findings.text.contains(row), "{row} in {}", findings.text);
        }
        assert_eq!(findings.summary[16]["grid 64"]["median"], 12.0);
        let panels = findings.plot.unwrap_or_default();
        let lines: Vec<&Value> = panels
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|panel| panel["lines"].as_array())
            .flatten()
            .collect();
        assert_eq!(lines.len(), 9);
        assert_eq!(lines[3], &json!({ "name": "net of 4", "points": [[4.0, 0.1], [8.0, 0.1]] }));
    }
}
