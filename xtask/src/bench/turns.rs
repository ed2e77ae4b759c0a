//! Ours and the peer's side by side.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Map, json};

use super::report::Findings;
use super::sample::Sample;
use super::side::Side;
use super::spread::{Spread, decimals};

/// What is compared.
pub(super) struct Subject {
    /// In the order of the tables: heading and key.
    figures: &'static [(&'static str, &'static str)],
    /// What the headings mean.
    words: &'static str,
}

pub(super) const SWEEP: Subject = Subject {
    figures: &[
        ("iteration", "iteration_s"),
        ("sweep", "sweep_s"),
        ("update", "update_s"),
        ("step 4", "step_s.4"),
        ("step 16", "step_s.16"),
        ("step 64", "step_s.64"),
        ("memory", "peak_mib"),
    ],
    words: "A sweep is 30 steps on each grid, an iteration a sweep and the update.",
};

pub(super) const SVM: Subject = Subject {
    figures: &[("grid", "grid_s"), ("choice", "choice_s"), ("test", "test_s"), ("memory", "peak_mib")],
    words: "A choice is a draw fitted with all seven C and scored on validation rows, a test a draw fitted with one and \
            scored on test rows; the grid is table 2's ten choices and hundred tests.",
};

pub(super) const BASELINES: Subject = Subject {
    figures: &[("iteration", "iteration_s"), ("memory", "peak_mib")],
    words: "An iteration is one batch: an update of each net; of wgan an update of the critic, and at every fifth one of the \
            generator.",
};

pub(super) const BACKBONE: Subject = Subject {
    figures: &[("image", "image_s"), ("memory", "peak_mib")],
    words: "An image is its features and logits, of images of the network's own side, a batch at a time.",
};

/// Runs of ours and of the peer, who take turns: whatever else the machine does falls on both, and a ratio is made
/// of neighbours only.
pub(super) struct Turns {
    subject: &'static Subject,
    runs: Vec<(Sample, Option<Sample>)>,
}

impl Turns {
    pub(super) fn measure(
        root: &Path,
        subject: &'static Subject,
        (ours, peer): (&Side, Option<&Side>),
        options: &[String],
        runs: usize,
    ) -> Result<Self> {
        let names: String = subject.figures.iter().map(|(name, _)| format!("{name:>10}")).collect();
        println!("side {names}   (seconds, MiB)");
        let turn = |side: &Side| -> Result<Sample> {
            let sample = side.measure(root, options)?;
            subject.check(&sample)?;
            println!("{}", subject.row(side.name, &sample));
            Ok(sample)
        };
        let mut turns = Turns { subject, runs: Vec::new() };
        for run in 0..runs {
            // Who goes first changes from run to run: a drift of the clock then falls on both sides.
            let pair = match peer {
                None => (turn(ours)?, None),
                Some(peer) if run % 2 == 0 => (turn(ours)?, Some(turn(peer)?)),
                Some(peer) => {
                    let theirs = turn(peer)?;
                    (turn(ours)?, Some(theirs))
                }
            };
            turns.runs.push(pair);
        }
        Ok(turns)
    }

    pub(super) fn findings(&self) -> Findings {
        let mut text = String::new();
        if let Some(name) = self.runs.iter().find_map(|run| run.1.as_ref()?.json["peer"].as_str()) {
            let _ = writeln!(text, "- peer: {name}, in turns with ours");
        }
        let _ = writeln!(
            text,
            "\nMedian (least - greatest); seconds, memory in MiB; ratio = ours / peer. {}\n",
            self.subject.words
        );
        let _ = writeln!(text, "| | ours | peer | ratio |\n|---|---|---|---|");
        let mut summary = Map::new();
        for (name, key) in self.subject.figures {
            let [ours, peer, ratio] = self.spreads(key);
            let json = |spread: &Option<Spread>| spread.as_ref().map(Spread::json);
            let row = json!({ "ours": json(&ours), "peer": json(&peer), "ratio": json(&ratio) });
            summary.insert(key.to_string(), row);
            let cells = [ours, peer, ratio].map(Spread::cell).join(" | ");
            let _ = writeln!(text, "| {name} | {cells} |");
        }
        let runs = self.runs.iter();
        let runs =
            runs.map(|(ours, peer)| json!({ "ours": ours.json, "peer": peer.as_ref().map(|p| &p.json) }));
        Findings { text, runs: runs.collect(), summary: summary.into(), plot: None }
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
}

impl Subject {
    /// Not every system tells the peak of memory; everything else must be there.
    fn check(&self, sample: &Sample) -> Result<()> {
        for (_, key) in self.figures.iter().filter(|(_, key)| *key != "peak_mib") {
            ensure!(sample.figure(key).is_some(), "the JSON line has no positive `{key}`");
        }
        Ok(())
    }

    fn row(&self, side: &str, sample: &Sample) -> String {
        let cell = |key: &str| {
            let value = sample.figure(key).unwrap_or(f64::NAN);
            format!("{value:>10.*}", decimals(value))
        };
        format!("{side:<5}{}", self.figures.iter().map(|(_, key)| cell(key)).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn ratios_are_made_within_a_run() {
        let runs = [(1.0, 2.0), (3.0, 4.0), (8.0, 10.0)];
        let runs = runs.map(|(ours, peer)| (sample(ours), Some(sample(peer)))).to_vec();
        let findings = Turns { subject: &SWEEP, runs }.findings();
        let ratio = &findings.summary["sweep_s"]["ratio"];
        assert_eq!(*ratio, json!({ "median": 0.75, "min": 0.5, "max": 0.8 }));
        let row = "| sweep | 3.00 (1.00 - 8.00) | 4.00 (2.00 - 10.00) | 0.750 (0.500 - 0.800) |";
        assert!(findings.text.contains(row), "{}", findings.text);
    }

    #[test]
    fn without_a_peer_there_are_no_ratios() {
        let findings = Turns { subject: &SWEEP, runs: vec![(sample(2.0), None)] }.findings();
        assert!(findings.text.contains("| sweep | 2.00 | - | - |"), "{}", findings.text);
        assert!(findings.summary["sweep_s"]["peer"].is_null());
    }

    #[test]
    fn an_incomplete_line_is_an_error() {
        assert!(SWEEP.check(&sample(1.0)).is_ok());
        let line = Sample::parse("{\"sweep_s\": 1}").expect("a line");
        assert!(SWEEP.check(&line).unwrap_err().to_string().contains("iteration_s"));
    }
}
