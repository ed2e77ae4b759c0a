use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use mg_figures::Curves;
use mg_train::{Report, RunRecord};
use serde_json::{Value, json};

use super::plot::names;
use crate::output::{JsonArgs, make_folder};

/// Curves of several runs, a picture for every value that all of them have, and a table of means over the last third of what
/// all have done, by iterations or by the clock.
pub(super) fn compare(runs: &[RunRecord], out: &Path, clock: bool, json: &JsonArgs) -> Result<()> {
    let (first, others) = runs.split_first().expect("several runs");
    let in_all = |name: &&str| others.iter().all(|run| names(run).contains(name));
    let shared: Vec<&str> = names(first).into_iter().filter(in_all).collect();
    let span = Span::of(runs, clock)?;
    ensure!(
        !shared.is_empty(),
        "these runs have no value in common; compare runs of one method and the same grids"
    );
    make_folder(out)?;
    let name =
        |run: &RunRecord| run.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut lines = vec![span.told()];
    let heads: String = runs.iter().map(|run| format!("{:>20}", name(run))).collect();
    lines.push(format!("{:<24} {heads}", ""));
    let mut numbers = BTreeMap::new();
    for value in shared {
        let mut curves = Curves::new(value, span.label(), value);
        let (mut row, mut means) = (format!("{value:<24} "), serde_json::Map::new());
        for run in runs {
            let curve = span.curve(run, value);
            let inside = curve.iter().filter(|(x, _)| *x > span.start && *x <= span.end).map(|(_, y)| *y);
            let found = mean_and_deviation(&inside.collect::<Vec<_>>());
            let told =
                found.map_or("-".to_owned(), |(mean, deviation)| format!("{mean:.3} ({deviation:.3})"));
            row += &format!("{told:>20}");
            means.insert(name(run), found.map_or(Value::Null, |(m, d)| json!({ "mean": m, "std_dev": d })));
            curves = curves.line(&name(run), curve);
        }
        curves.save(out.join(file_name(value)))?;
        lines.push(row.trim_end().to_owned());
        numbers.insert(value, means);
    }
    let from_to = [span.start, span.end];
    if json.write(&json!({ "out": out, "over": span.label(), "last_third": from_to, "values": numbers }))? {
        for line in lines {
            say!("{line}");
        }
        say!("{}", out.display());
    }
    Ok(())
}

/// `gap-16.svg` of `grid16.gap`; `loss.svg` of `loss`.
fn file_name(value: &str) -> String {
    match value.rsplit_once('.') {
        Some((owner, own)) => format!("{own}-{}.svg", owner.strip_prefix("grid").unwrap_or(owner)),
        None => format!("{value}.svg"),
    }
}

/// The last third of what all runs have done.
struct Span {
    clock: bool,
    start: f64,
    end: f64,
}

impl Span {
    fn of(runs: &[RunRecord], clock: bool) -> Result<Self> {
        let span = Span { clock, start: 0.0, end: 0.0 };
        let last = |run: &RunRecord| run.reports.iter().rev().find_map(|report| span.x(run, report));
        let end = runs.iter().map(|run| last(run).unwrap_or(0.0)).fold(f64::INFINITY, f64::min);
        ensure!(end > 0.0, "a run has no iteration yet, so no curve; train it first");
        let start = if clock { end * 2.0 / 3.0 } else { end - (end / 3.0).ceil() };
        Ok(Span { clock, start, end })
    }

    /// Where an iteration lies: its number, or the minutes at its end.
    fn x(&self, run: &RunRecord, report: &Report) -> Option<f64> {
        match self.clock {
            true => run.seconds.get(&report.iteration).map(|seconds| seconds / 60.0),
            false => Some(report.iteration as f64),
        }
    }

    fn curve(&self, run: &RunRecord, value: &str) -> Vec<(f64, f64)> {
        let point = |report: &Report| self.x(run, report).zip(report.values.get(value).copied());
        run.reports.iter().filter_map(point).collect()
    }

    fn label(&self) -> &'static str {
        if self.clock { "minutes" } else { "iteration" }
    }

    fn told(&self) -> String {
        match self.clock {
            true => format!("means over minutes {:.1} to {:.1}", self.start, self.end),
            false => format!("means over iterations {} to {}", self.start + 1.0, self.end),
        }
    }
}

fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}
