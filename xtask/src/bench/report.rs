//! The runs, their medians and ratios, as text and as files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::machine::Machine;
use super::sample::{FIGURES, Sample};

/// Everything one call of `bench` measured.
pub(super) struct Report {
    machine: Machine,
    options: String,
    command: String,
    runs: Vec<(Sample, Option<Sample>)>,
}

/// Median, least and greatest.
#[derive(Debug, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(machine: Machine, options: String) -> Self {
        // Where a program lies on this machine is of no use on another.
        let name = |arg: String| match Path::new(&arg) {
            path if path.is_absolute() => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            _ => arg,
        };
        let args: Vec<String> = std::env::args().skip(1).map(name).collect();
        Report { machine, options, command: format!("cargo xtask {}", args.join(" ")), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, ours: Sample, peer: Option<Sample>) {
        self.runs.push((ours, peer));
    }

    /// Ours, the peer's, and ours divided by the peer's within each run.
    fn spreads(&self, key: &str) -> [Option<Spread>; 3] {
        let peer = |run: &(Sample, Option<Sample>)| run.1.as_ref()?.figure(key);
        let ratio = |run: &(Sample, Option<Sample>)| Some(run.0.figure(key)? / peer(run)?);
        [
            Spread::of(self.runs.iter().filter_map(|run| run.0.figure(key))),
            Spread::of(self.runs.iter().filter_map(peer)),
            Spread::of(self.runs.iter().filter_map(ratio)),
        ]
    }

    /// A table with the machine above it.
    pub(super) fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = String::new();
        let load = machine.load.map_or("unknown".to_string(), |load| load.to_string());
        let _ = writeln!(text, "- command: `{}`", self.command);
        let _ = writeln!(
            text,
            "- settings: `{}`; runs of each side, in turns: {}",
            self.options,
            self.runs.len()
        );
        let _ = writeln!(
            text,
            "- machine: {}, {} cores, {}",
            machine.cpu,
            machine.cores,
            machine.features.join(" ")
        );
        let _ =
            writeln!(text, "- load average before: {load}; revision {}; {}", machine.revision, machine.rustc);
        if let Some(name) = self.runs.iter().find_map(|run| run.1.as_ref()?.json["peer"].as_str()) {
            let _ = writeln!(text, "- peer: {name}");
        }
        let _ = writeln!(text, "\nMedian (least - greatest); seconds, memory in MiB; ratio = ours / peer.\n");
        let _ = writeln!(text, "| | ours | peer | ratio |\n|---|---|---|---|");
        for (name, key) in FIGURES {
            let [ours, peer, ratio] = self.spreads(key).map(|s| s.map_or("-".to_string(), |s| s.to_string()));
            let _ = writeln!(text, "| {name} | {ours} | {peer} | {ratio} |");
        }
        text
    }

    fn json(&self) -> Value {
        let spread = |s: Option<Spread>| s.map(|s| json!({ "median": s.median, "min": s.min, "max": s.max }));
        let runs = self
            .runs
            .iter()
            .map(|(ours, peer)| json!({ "ours": ours.json, "peer": peer.as_ref().map(|p| &p.json) }));
        let summary = FIGURES.iter().map(|(_, key)| {
            let [ours, peer, ratio] = self.spreads(key).map(spread);
            (key.to_string(), json!({ "ours": ours, "peer": peer, "ratio": ratio }))
        });
        json!({
            "command": self.command,
            "settings": self.options,
            "revision": self.machine.revision,
            "rustc": self.machine.rustc,
            "machine": {
                "cpu": self.machine.cpu,
                "cores": self.machine.cores,
                "features": self.machine.features,
                "load_before": self.machine.load,
            },
            "runs": runs.collect::<Vec<_>>(),
            "summary": summary.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// Writes the runs to `path` and the table beside it.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.json())? + "\n";
        let table = path.with_extension("md");
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        std::fs::write(&table, self.markdown())
            .with_context(|| format!("cannot write {}", table.display()))?;
        println!("\nwrote {} and {}", path.display(), table.display());
        Ok(())
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let n = values.len();
        Some(Spread { median: 0.5 * (values[(n - 1) / 2] + values[n / 2]), min, max })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.median >= 100.0 { 0 } else { 3 };
        write!(f, "{:.digits$} ({:.digits$} - {:.digits$})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    fn report(sweeps: &[(f64, f64)]) -> Report {
        let machine = Machine {
            cpu: "cpu".to_string(),
            cores: 2,
            features: Vec::new(),
            load: None,
            revision: "r".to_string(),
            rustc: "rustc".to_string(),
        };
        let mut report = Report::new(machine, "--batch 100".to_string());
        for (ours, peer) in sweeps {
            report.push(sample(*ours), Some(sample(*peer)));
        }
        report
    }

    #[test]
    fn ratios_are_made_within_a_run() {
        let report = report(&[(1.0, 2.0), (3.0, 4.0), (8.0, 10.0)]);
        let ratio = report.json()["summary"]["sweep_s"]["ratio"].clone();
        assert_eq!(ratio, json!({ "median": 0.75, "min": 0.5, "max": 0.8 }));
        assert!(
            report.markdown().contains(
                "| sweep | 3.000 (1.000 - 8.000) | 4.000 (2.000 - 10.000) | 0.750 (0.500 - 0.800) |"
            )
        );
    }

    #[test]
    fn an_even_number_of_runs_takes_the_middle_of_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!(spread, Some(Spread { median: 3.0, min: 1.0, max: 10.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
