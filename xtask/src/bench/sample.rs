//! One run of one side.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The JSON line that a side printed.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) json: Value,
}

impl Sample {
    /// Takes the last line that is a JSON object.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(Sample { json: json_lines(text).last().context("holds no JSON line")? })
    }

    /// A side that measured something else than it was asked for must not be compared.
    pub(super) fn check_settings(&self, args: &[String]) -> Result<()> {
        let options = args.iter().zip(args.iter().skip(1)).filter(|(option, _)| option.starts_with("--"));
        for (option, asked) in options {
            let said = &self.json[option.trim_start_matches('-')];
            let said = said.as_str().map_or_else(|| said.to_string(), str::to_string);
            ensure!(said == *asked, "asked for {option} {asked}, but the JSON line says {said}");
        }
        Ok(())
    }

    /// A positive number by its key; a dot leads into an object.
    pub(super) fn figure(&self, key: &str) -> Option<f64> {
        let value = key.split('.').try_fold(&self.json, |value, part| value.get(part))?;
        value.as_f64().filter(|figure| *figure > 0.0)
    }
}

/// The objects that stand on lines of their own, whatever was printed before them on the line.
pub(super) fn json_lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample with this time per sweep, everything else 1.
    pub(in super::super) fn sample(sweep: f64) -> Sample {
        let text = format!(
            "{{\"precision\":\"f32\",\"batch\":100,\"step_s\":{{\"4\":1,\"16\":1,\"64\":1}},\
             \"sweep_s\":{sweep},\"update_s\":1,\"iteration_s\":1,\"peak_mib\":1}}"
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
    fn json_is_found_behind_other_words() {
        let lines: Vec<Value> = json_lines("test a ... {\"x\": 1}\n{broken\n\n{\"x\": 2}\nok").collect();
        assert_eq!(lines, [serde_json::json!({ "x": 1 }), serde_json::json!({ "x": 2 })]);
        assert!(Sample::parse("nothing").is_err());
    }

    #[test]
    fn other_settings_than_asked_for_are_an_error() {
        let check = |line: &str| {
            let args: Vec<String> = line.split(' ').map(str::to_string).collect();
            sample(1.0).check_settings(&args)
        };
        assert!(check("x.py --precision f32 --batch 100").is_ok());
        assert!(check("--precision bf16").is_err());
        assert!(check("--batch 1").is_err());
        assert!(check("--side 4").is_err());
    }
}
