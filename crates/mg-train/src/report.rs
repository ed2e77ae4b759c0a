use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What one iteration looked like: a line of `metrics.jsonl`. It holds no time, so that a resumed run writes the same
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Number of the iteration, from 1.
    pub iteration: u64,
    /// Passes over the data so far.
    pub passes: f64,
    /// Class that was learned, of conditional models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What the method says of it by name, such as `grid16.gap`.
    #[serde(flatten)]
    pub values: BTreeMap<String, f64>,
}

impl Report {
    /// Adds a value.
    pub fn say(&mut self, name: impl Into<String>, value: f64) {
        self.values.insert(name.into(), value);
    }

    /// The first number that is not finite, by name.
    pub fn not_finite(&self) -> Option<String> {
        let (name, value) = self.values.iter().find(|(_, value)| !value.is_finite())?;
        Some(format!("{name} is {value}"))
    }
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let Value::Object(line) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("a report is an object"));
        };
        let iteration = line.get("iteration").and_then(Value::as_u64);
        let passes = line.get("passes").and_then(Value::as_f64);
        let (Some(iteration), Some(passes)) = (iteration, passes) else {
            return Err(D::Error::custom("a report has an iteration and passes"));
        };
        let class = line.get("class").and_then(Value::as_str).map(str::to_string);
        let mut report = Report { iteration, passes, class, values: BTreeMap::new() };
        for (name, value) in &line {
            match (name.as_str(), value) {
                ("iteration" | "passes" | "class", _) => {}
                ("grids", Value::Array(grids)) => grids.iter().for_each(|grid| report.add_grid(grid)),
                (name, value) => {
                    if let Some(value) = value.as_f64() {
                        report.say(name, value);
                    }
                }
            }
        }
        Ok(report)
    }
}

impl Report {
    /// The values of a grid as runs of version 0.1 wrote them: an object for each grid.
    fn add_grid(&mut self, grid: &Value) {
        let Some((side, values)) = grid["side"].as_u64().zip(grid.as_object()) else { return };
        for (name, value) in values {
            match value {
                Value::Number(value) if name != "side" => {
                    self.say(format!("grid{side}.{name}"), value.as_f64().unwrap_or(f64::NAN));
                }
                Value::Array(ends) => {
                    for (end, value) in ["first", "last"].iter().zip(ends) {
                        self.say(format!("grid{side}.{end}_{name}"), value.as_f64().unwrap_or(f64::NAN));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_flat_line_and_back() {
        let mut report = Report { iteration: 3, passes: 0.5, ..Report::default() };
        report.say("grid16.gap", -0.25);
        let line = serde_json::to_string(&report).unwrap();
        assert_eq!(line, r#"{"iteration":3,"passes":0.5,"grid16.gap":-0.25}"#);
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
    }

    #[test]
    fn lines_of_earlier_runs_are_read() {
        let line = r#"{"iteration":1,"passes":0.1,"class":"a","grids":[{"side":4,"gap":0.5,"energy":[1.0,0.5],"rate":1e-3}]}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        let values: Vec<(&str, f64)> = report.values.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        assert_eq!(
            values,
            [
                ("grid4.first_energy", 1.0),
                ("grid4.gap", 0.5),
                ("grid4.last_energy", 0.5),
                ("grid4.rate", 1e-3)
            ]
        );
        assert_eq!(report.class.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let mut report = Report::default();
        report.say("a", 1.0);
        assert_eq!(report.not_finite(), None);
        report.say("b", f64::NAN);
        assert_eq!(report.not_finite().unwrap(), "b is NaN");
    }
}
