//! Configuration keys: meaning, default and range, all read from one annotated TOML text.
//!
//! ```
//! use mg_model::keys::KeyDoc;
//! use serde_json::json;
//!
//! let keys = KeyDoc::parse("[learn]\n# Images per iteration.\n#: whole [1, 1000]\nbatch = 32\n");
//! assert_eq!((keys[0].name.as_str(), keys[0].default.as_str()), ("learn.batch", "32"));
//! assert_eq!(keys[0].check(&json!(0)).unwrap_err().to_string(), "learn.batch is 0; it must be a whole number from 1 to 1000");
//! ```

use std::fmt;

use serde_json::Value;

use crate::{Error, Result};

/// What is known of one key of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDoc {
    /// Its path, such as `learn.batch`.
    pub name: String,
    /// What it means: the comment above it.
    pub meaning: String,
    /// Its default, as TOML.
    pub default: String,
    /// What it may be: the line `#:` above it.
    pub range: Range,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    values: Values,
    /// Whether a list with a value for every grid will do too.
    per_grid: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// A number between the ends; whole if `whole`.
    Number { whole: bool, from: End, to: End },
    /// One of these words.
    Words(Vec<String>),
    /// Any text; the words say what it means.
    Text(String),
    /// True or false.
    Flag,
    /// What the words say; whoever reads the value checks it.
    Form(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    at: f64,
    included: bool,
}

impl KeyDoc {
    /// The keys of an annotated TOML text, in its order. Lines of a comment are its meaning; a line `#: ...` its range:
    /// `whole [1, 400]`, `(0, 16]`, `[0, inf)`, `"a" | "b"`, `true | false`, `text`, or words of its own after `text` or `form`.
    /// With `per grid` in front a list will do too.
    pub fn parse(text: &str) -> Vec<Self> {
        let (mut section, mut meaning, mut range, mut keys) = (String::new(), Vec::new(), "text", Vec::new());
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("#: ") {
                range = words;
            } else if let Some(words) = line.strip_prefix("# ") {
                meaning.push(words);
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = format!("{name}.");
                meaning.clear();
            } else if let Some((key, default)) = line.split_once(" = ") {
                keys.push(KeyDoc {
                    name: format!("{section}{key}"),
                    meaning: std::mem::take(&mut meaning).join(" "),
                    default: default.split(" # ").next().unwrap_or_default().trim().to_string(),
                    range: Range::parse(std::mem::replace(&mut range, "text")),
                });
            } else {
                meaning.clear();
            }
        }
        keys
    }

    /// Refuses a value of another type or out of range.
    ///
    /// # Errors
    /// [`Error::Value`], which names the key, the value and what it may be.
    pub fn check(&self, value: &Value) -> Result<()> {
        if self.range.allows(value) {
            return Ok(());
        }
        Err(Error::value(&self.name, value, &self.range))
    }
}

impl Range {
    fn parse(text: &str) -> Self {
        let (per_grid, text) = match text.strip_prefix("per grid ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let values = if text == "text" {
            Values::Text(text.to_string())
        } else if let Some(meaning) = text.strip_prefix("text ") {
            Values::Text(meaning.to_string())
        } else if text == "true | false" {
            Values::Flag
        } else if let Some(form) = text.strip_prefix("form ") {
            Values::Form(form.to_string())
        } else if text.starts_with('"') {
            Values::Words(text.split(" | ").map(|word| word.trim_matches('"').to_string()).collect())
        } else {
            interval(text)
        };
        Range { values, per_grid }
    }

    /// Whether it is a text of any kind: whoever writes a number there means its digits.
    pub fn is_text(&self) -> bool {
        matches!(self.values, Values::Text(_))
    }

    fn allows(&self, value: &Value) -> bool {
        match value {
            Value::Array(list) if self.per_grid => list.iter().all(|value| self.values.allow(value)),
            value => self.values.allow(value),
        }
    }
}

/// `[0, 1)`, or `whole [1, 400]`.
fn interval(text: &str) -> Values {
    let (whole, ends) = match text.strip_prefix("whole ") {
        Some(ends) => (true, ends),
        None => (false, text),
    };
    let number = |text: &str| text.trim_matches(['[', '(', ')', ']', ' ']).parse().unwrap_or(f64::NAN);
    let (from, to) = ends.split_once(',').unwrap_or(("(nan", "nan)"));
    Values::Number {
        whole,
        from: End { at: number(from), included: from.starts_with('[') },
        to: End { at: number(to), included: to.ends_with(']') },
    }
}

impl Values {
    fn allow(&self, value: &Value) -> bool {
        match (self, value) {
            (Values::Number { whole, from, to }, Value::Number(number)) => {
                let Some(x) = number.as_f64() else { return false };
                let above = x > from.at || (from.included && x == from.at);
                let below = x < to.at || (to.included && x == to.at);
                above && below && (!whole || number.is_u64() || number.is_i64())
            }
            (Values::Words(words), Value::String(word)) => words.contains(word),
            (Values::Text(_), Value::String(_)) | (Values::Flag, Value::Bool(_)) | (Values::Form(_), _) => {
                true
            }
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.values)?;
        if self.per_grid { f.write_str(", or a list with one for each grid") } else { Ok(()) }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::Flag => f.write_str("true or false"),
            Values::Text(words) | Values::Form(words) => f.write_str(words),
            Values::Words(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                match quoted.split_last() {
                    Some((last, [])) => f.write_str(last),
                    Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
                    None => Ok(()),
                }
            }
            Values::Number { whole, from, to } => {
                f.write_str(if *whole { "a whole number" } else { "a number" })?;
                match (from.included, to.included) {
                    (true, true) => return write!(f, " from {} to {}", from.at, to.at),
                    (true, false) => write!(f, " of at least {}", from.at)?,
                    (false, _) if from.at.is_finite() => write!(f, " above {}", from.at)?,
                    _ => {}
                }
                let joint = if from.at.is_finite() { " and" } else { "" };
                match to.included {
                    true => write!(f, "{joint} at most {}", to.at),
                    false if to.at.is_finite() => write!(f, "{joint} below {}", to.at),
                    false => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(text: &str) -> Range {
        Range::parse(text)
    }

    #[test]
    fn a_range_allows_what_lies_in_it_and_nothing_else() {
        for (text, inside, outside) in [
            (
                "whole [1, 400]",
                vec![json!(1), json!(400)],
                vec![json!(0), json!(401), json!(1.5), json!("1"), json!([1])],
            ),
            ("(0, 16]", vec![json!(0.1), json!(16), json!(16.0)], vec![json!(0), json!(16.1), json!(null)]),
            ("[0, 1)", vec![json!(0), json!(0.99)], vec![json!(1), json!(-0.1), json!(true)]),
            ("[0, inf)", vec![json!(0), json!(1e300)], vec![json!(-1)]),
            ("\"squash\" | \"crop\"", vec![json!("crop")], vec![json!("Crop"), json!(1)]),
            ("true | false", vec![json!(true)], vec![json!("true"), json!(0)]),
            ("text", vec![json!("")], vec![json!(3)]),
            ("per grid (0, inf)", vec![json!(1), json!([1, 2.5])], vec![json!([1, 0]), json!("x")]),
        ] {
            assert!(inside.iter().all(|value| range(text).allows(value)), "{text} refuses {inside:?}");
            for value in outside {
                assert!(!range(text).allows(&value), "{text} allows {value}");
            }
        }
    }

    #[test]
    fn ranges_are_told_in_words() {
        for (text, words) in [
            ("whole [1, 400]", "a whole number from 1 to 400"),
            ("(0, 16]", "a number above 0 and at most 16"),
            ("[0, 1)", "a number of at least 0 and below 1"),
            ("per grid [0, inf)", "a number of at least 0, or a list with one for each grid"),
            ("\"a\" | \"b\" | \"c\"", "\"a\", \"b\" or \"c\""),
            ("form sides that go up from 1", "sides that go up from 1"),
        ] {
            assert_eq!(range(text).to_string(), words);
        }
    }
}
