//! One run of one side.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::spawn;

/// The figures that are compared, in the order of the tables. `step` is a part of `step_s`.
pub(super) const FIGURES: &[(&str, &str)] = &[
    ("sweep", "sweep_s"),
    ("update", "update_s"),
    ("step 4", "step_s.4"),
    ("step 16", "step_s.16"),
    ("step 64", "step_s.64"),
    ("memory", "peak_mib"),
];

/// The JSON line that a side printed.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) json: Value,
}

impl Sample {
    /// Runs a side and prints its figures as a row.
    pub(super) fn measure(root: &Path, side: &str, program: &str, args: &[&str]) -> Result<Self> {
        let text = spawn::output(root, program, args)?;
        let sample = Sample::parse(&text).with_context(|| format!("the output of `{program}`"))?;
        sample.check_settings(args)?;
        println!("{}", sample.row(side));
        Ok(sample)
    }

    /// Takes the last line that is a JSON object.
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().rev().filter(|line| line.starts_with('{'));
        let json = lines.filter_map(|line| serde_json::from_str(line).ok()).next();
        let sample = Sample { json: json.context("holds no JSON line")? };
        // Not every system tells the peak of memory.
        for (_, key) in FIGURES.iter().filter(|(_, key)| *key != "peak_mib") {
            ensure!(sample.figure(key).is_some(), "the JSON line has no positive `{key}`");
        }
        Ok(sample)
    }

    /// A side that measured something else than it was asked for must not be compared.
    fn check_settings(&self, args: &[&str]) -> Result<()> {
        let options = args.iter().zip(args.iter().skip(1)).filter(|(option, _)| option.starts_with("--"));
        for (option, asked) in options {
            let said = &self.json[option.trim_start_matches('-')];
            let said = said.as_str().map_or_else(|| said.to_string(), str::to_string);
            ensure!(said == **asked, "asked for {option} {asked}, but the JSON line says {said}");
        }
        Ok(())
    }

    /// A positive number by its key; a dot leads into an object.
    pub(super) fn figure(&self, key: &str) -> Option<f64> {
        let value = key.split('.').try_fold(&self.json, |value, part| value.get(part))?;
        value.as_f64().filter(|figure| *figure > 0.0)
    }

    pub(super) fn header() -> String {
        let names: String = FIGURES.iter().map(|(name, _)| format!("{name:>10}")).collect();
        format!("{:<5}{names}   (seconds, MiB)", "side")
    }

    fn row(&self, side: &str) -> String {
        let value = |key: &str| self.figure(key).unwrap_or(f64::NAN);
        let values: String = FIGURES.iter().map(|(_, key)| format!("{:>10.4}", value(key))).collect();
        format!("{side:<5}{values}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample with this time per sweep, everything else 1.
    pub(in super::super) fn sample(sweep: f64) -> Sample {
        let text = format!(
            "{{\"precision\":\"f32\",\"batch\":100,\"step_s\":{{\"4\":1,\"16\":1,\"64\":1}},\
             \"sweep_s\":{sweep},\"update_s\":1,\"peak_mib\":1}}"
        );
        Sample::parse(&format!("warming up\n{text}\n")).expect("a complete line")
    }

    #[test]
    fn figures_are_found_inside_objects() {
        assert_eq!(sample(2.5).figure("sweep_s"), Some(2.5));
        assert_eq!(sample(2.5).figure("step_s.16"), Some(1.0));
        assert_eq!(sample(2.5).figure("step_s.8"), None);
    }

    #[test]
    fn an_incomplete_line_is_an_error() {
        assert!(Sample::parse("nothing").is_err());
        assert!(Sample::parse("{\"sweep_s\": 1}").unwrap_err().to_string().contains("update_s"));
    }

    #[test]
    fn other_settings_than_asked_for_are_an_error() {
        assert!(sample(1.0).check_settings(&["x.py", "--precision", "f32", "--batch", "100"]).is_ok());
        assert!(sample(1.0).check_settings(&["--precision", "bf16"]).is_err());
        assert!(sample(1.0).check_settings(&["--batch", "1"]).is_err());
    }
}
