//! Speed of every convolution of the paper's nets.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::report::Findings;
use super::sample::json_lines;
use super::spread::Spread;
use crate::spawn;

/// The measurement reaches into mg-kernels, so it is an ignored test there.
const TEST: &[&str] = &["test", "--release", "--locked", "-p", "mg-kernels", "--lib"];
const ONLY: &[&str] =
    &["--quiet", "--", "--ignored", "--nocapture", "--exact", "tests::throughput::throughput"];

/// Directions of a convolution: heading and key of its GFLOP/s.
const DIRECTIONS: [(&str, &str); 3] =
    [("forward", "forward"), ("input adjoint", "input_adjoint"), ("weight adjoint", "weight_adjoint")];

/// What the test printed, run by run.
pub(super) struct Layers {
    runs: Vec<Vec<Value>>,
}

impl Layers {
    pub(super) fn measure(root: &Path, runs: usize) -> Result<Self> {
        spawn::run(root, "cargo", &[TEST, &["--no-run"]].concat(), &[])?;
        let measure = |run: usize| {
            let text = spawn::output(root, "cargo", &[TEST, ONLY].concat())?;
            println!("run {} of {runs}", run + 1);
            let lines: Vec<Value> = json_lines(&text).collect();
            ensure!(lines.iter().any(is_layer), "the test in mg-kernels printed no layer");
            Ok(lines)
        };
        let layers = Layers { runs: (0..runs).map(measure).collect::<Result<_>>()? };
        let whole =
            |layer: &&Value| DIRECTIONS.iter().all(|(_, key)| layers.rates(layer, key).count() == runs);
        if let Some(layer) = layers.first().find(|layer| !whole(layer)) {
            bail!("the test in mg-kernels did not print all rates in all runs of {layer}");
        }
        Ok(layers)
    }

    fn first(&self) -> impl Iterator<Item = &Value> {
        self.runs.iter().take(1).flatten().filter(|line| is_layer(line))
    }

    /// GFLOP/s of a layer, run by run.
    fn rates<'a>(&'a self, layer: &'a Value, direction: &'a str) -> impl Iterator<Item = f64> + 'a {
        self.runs.iter().filter_map(move |run| rate(run, layer, direction))
    }

    /// Those divided by the peak of the same run.
    fn shares<'a>(&'a self, layer: &'a Value, direction: &'a str) -> impl Iterator<Item = f64> + 'a {
        self.runs
            .iter()
            .filter_map(move |run| Some(rate(run, layer, direction)? / peak(run, &layer["precision"])?))
    }

    pub(super) fn findings(&self) -> Findings {
        let mut text = String::from(
            "\nMedian (least - greatest) of GFLOP/s on one thread, counting the operations of a direct convolution; \
             in brackets the share of the peak measured in the same run. Shares above 1 are those of algorithms that \
             need fewer operations (Winograd).\n",
        );
        let mut summary = Vec::new();
        for line in self.runs.iter().take(1).flatten().filter(|line| line.get("peak").is_some()) {
            let precision = line["precision"].as_str().unwrap_or_default();
            let unit = line["unit"].as_str().unwrap_or("unknown");
            let peaks = Spread::of(self.runs.iter().filter_map(|run| peak(run, &line["precision"])));
            summary.push(json!({ "precision": precision, "unit": unit, "peak": json(&peaks) }));
            let _ = writeln!(text, "\n{precision}; peak of {unit}: {} GFLOP/s\n", Spread::cell(peaks));
            let headings: Vec<&str> = DIRECTIONS.iter().map(|(heading, _)| *heading).collect();
            let _ = writeln!(text, "| grid | layer | images | {} |", headings.join(" | "));
            let _ = writeln!(text, "|---|---|---|---|---|---|");
            for layer in self.first().filter(|layer| layer["precision"] == precision) {
                let mut cells = Vec::new();
                let mut row = layer.clone();
                for (_, key) in DIRECTIONS {
                    let (rate, share) =
                        (Spread::of(self.rates(layer, key)), Spread::of(self.shares(layer, key)));
                    row[key] = json!({ "gflops": json(&rate), "share": json(&share) });
                    let share = share.map_or("-".to_string(), |share| format!("{:.2}", share.median));
                    cells.push(format!("{} [{share}]", Spread::cell(rate)));
                }
                summary.push(row);
                let _ = writeln!(text, "| {} | {} |", describe(layer), cells.join(" | "));
            }
        }
        let runs = self.runs.iter().map(|run| json!(run)).collect();
        Findings { text, runs, summary: summary.into(), plot: None }
    }
}

fn json(spread: &Option<Spread>) -> Option<Value> {
    spread.as_ref().map(Spread::json)
}

fn is_layer(line: &Value) -> bool {
    line.get("layer").is_some()
}

/// GFLOP/s of a layer in a run.
fn rate(run: &[Value], layer: &Value, direction: &str) -> Option<f64> {
    let same =
        |line: &&Value| ["precision", "side", "layer"].iter().all(|key| line.get(key) == layer.get(key));
    run.iter().find(same)?[direction].as_f64().filter(|rate| *rate > 0.0)
}

/// The peak of a run for this arithmetic; none where the test knows no loop for the processor.
fn peak(run: &[Value], precision: &Value) -> Option<f64> {
    run.iter().filter(|line| line["precision"] == *precision).find_map(|line| line["peak"].as_f64())
}

/// Grid, shape and number of images.
fn describe(layer: &Value) -> String {
    let of = |key: &str| layer[key].as_u64().unwrap_or_default();
    let (kernel, map) = (of("kernel"), of("map"));
    format!(
        "{} | {} to {}, {kernel}x{kernel}, stride {}, to {map}x{map} | {}",
        of("side"),
        of("c_in"),
        of("c_out"),
        of("stride"),
        of("images")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(forward: f64, peak: Value) -> Vec<Value> {
        vec![
            json!({ "precision": "f32", "unit": "products", "peak": peak }),
            json!({ "precision": "f32", "side": 16, "images": 4, "load": 1.0 }),
            json!({
                "precision": "f32", "side": 16, "images": 4, "layer": 0, "c_in": 3, "c_out": 96, "kernel": 5,
                "stride": 2, "map": 8, "forward": forward, "input_adjoint": 50.0, "weight_adjoint": 25.0,
            }),
        ]
    }

    #[test]
    fn shares_are_of_the_peak_of_the_same_run() {
        let layers = Layers { runs: vec![run(50.0, json!(100.0)), run(60.0, json!(50.0))] };
        let findings = layers.findings();
        let row = "| 16 | 3 to 96, 5x5, stride 2, to 8x8 | 4 | 55.0 (50.0 - 60.0) [0.85] | 50.0 [0.75] | 25.0 [0.38] |";
        assert!(findings.text.contains(row), "{}", findings.text);
        let share = &findings.summary[1]["forward"]["share"];
        assert_eq!(*share, json!({ "median": 0.85, "min": 0.5, "max": 1.2 }));
    }

    #[test]
    fn a_layer_is_found_by_arithmetic_grid_and_number() {
        let layer = |precision: &str, side: u64, layer: u64, forward: f64| json!({ "precision": precision, "side": side, "layer": layer, "forward": forward });
        let run = [layer("f32", 4, 0, 1.0), layer("f32", 4, 1, 2.0), layer("f32", 16, 1, 3.0)];
        let run = [&run[..], &[layer("bf16", 16, 1, 4.0)]].concat();
        let found = |wanted: &Value| rate(&run, wanted, "forward");
        assert_eq!(run.iter().filter_map(found).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(found(&layer("bf16", 4, 0, 0.0)), None);
    }

    #[test]
    fn without_a_peak_there_are_no_shares() {
        let findings = Layers { runs: vec![run(50.0, Value::Null)] }.findings();
        assert!(findings.text.contains("peak of products: - GFLOP/s"), "{}", findings.text);
        assert!(findings.text.contains("| 50.0 [-] |"), "{}", findings.text);
    }
}
