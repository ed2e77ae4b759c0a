use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, PRESETS, preset};
use crate::{Error, Result};

/// One layer of configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    table: Table,
}

impl Source {
    /// The preset of this name.
    pub fn preset(name: &str) -> Result<Self> {
        let preset = preset(name)?;
        Source::text(&format!("preset {name}"), preset.text)
    }

    /// A TOML file.
    pub fn file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Source::text(&path.display().to_string(), &text)
    }

    /// TOML text; `name` appears in errors.
    pub fn text(name: &str, text: &str) -> Result<Self> {
        let table = text
            .parse::<Table>()
            .map_err(|e| Error::ConfigSyntax { place: name.to_string(), message: e.to_string() })?;
        Ok(Source { name: name.to_string(), table })
    }

    /// One assignment `key=value`. The value is TOML; what is not TOML is a string.
    pub fn assignment(text: &str) -> Result<Self> {
        let name = format!("--set {text}");
        let Some((key, value)) = text.split_once('=') else {
            let message = "expected key=value, for example learn.batch=32".to_string();
            return Err(Error::ConfigSyntax { place: name, message });
        };
        let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
        let mut node = parsed.unwrap_or_else(|| Value::String(value.trim().to_string()));
        let mut path: Vec<&str> = key.trim().split('.').collect();
        while let Some(part) = path.pop().filter(|_| !path.is_empty()) {
            node = Value::Table(Table::from_iter([(part.to_string(), node)]));
        }
        let root = key.trim().split('.').next().unwrap_or_default();
        Ok(Source { name, table: Table::from_iter([(root.to_string(), node)]) })
    }
}

/// The configuration that `sources` make, later ones over earlier ones, all over the default preset.
///
/// # Errors
/// An unknown key (with the nearest known one), a value of the wrong type, or one that
/// [`Config::validate`] refuses.
pub fn resolve(sources: &[Source]) -> Result<Config> {
    let base = Source::text("preset default", PRESETS[0].text)?;
    let mut table = base.table.clone();
    for source in sources {
        merge(&mut table, &base.table, source.table.clone(), "", &source.name)?;
    }
    let places: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let refused = |message: String| Error::ConfigValue {
        message: message.trim().replace('\n', " "),
        places: if places.is_empty() { "preset default".into() } else { places.join(", ") },
    };
    let config = Config::deserialize(table).map_err(|e| refused(e.to_string()))?;
    config.validate().map_err(|e| refused(e.to_string()))?;
    Ok(config)
}

fn merge(into: &mut Table, known: &Table, layer: Table, prefix: &str, place: &str) -> Result<()> {
    for (key, value) in layer {
        let path = format!("{prefix}{key}");
        let Some(known) = known.get(&key) else {
            return Err(unknown(first_leaf(path, &value), place));
        };
        match (known, value) {
            (Value::Table(known), Value::Table(layer)) => {
                if let Some(Value::Table(inner)) = into.get_mut(&key) {
                    merge(inner, known, layer, &format!("{path}."), place)?;
                }
            }
            (Value::Table(_), value) => {
                let message = format!("{path} is a section, not {value}; set one of its keys");
                return Err(Error::ConfigSyntax { place: place.to_string(), message });
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
    Ok(())
}

/// `path` down to the first value that is no section, so that a mistyped section still finds its keys.
fn first_leaf(path: String, value: &Value) -> String {
    match value.as_table().and_then(|table| table.iter().next()) {
        Some((key, inner)) => first_leaf(format!("{path}.{key}"), inner),
        None => path,
    }
}

fn unknown(path: String, place: &str) -> Error {
    let distance = |known: &str| {
        let last = |p: &str| p.rsplit('.').next().unwrap_or_default().to_string();
        edit_distance(&path, known).min(edit_distance(&last(&path), &last(known)) + 1)
    };
    let nearest = super::EXPLANATIONS.iter().map(|(key, _)| (distance(key), key.as_str())).min();
    let suggestion = match nearest {
        Some((d, key)) if d <= 3.max(path.len() / 3) => format!("did you mean {key}?"),
        _ => "`mg config explain` lists all keys".to_string(),
    };
    Error::UnknownKey { key: path, place: place.to_string(), suggestion }
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PerGrid;

    fn with(text: &str) -> Result<Config> {
        resolve(&[Source::assignment(text)?])
    }

    #[test]
    fn a_typo_is_an_error_that_names_the_nearest_key() {
        for (typo, key) in [
            ("learn.rat=1", "learn.rate"),
            ("chain.steps=3", "chains.steps"),
            ("batch=3", "learn.batch"),
            ("model.activaton=silu", "model.activation"),
        ] {
            let message = with(typo).unwrap_err().to_string();
            assert!(message.contains(&format!("did you mean {key}?")), "{message}");
        }
    }

    #[test]
    fn values_may_be_toml_or_bare_words() {
        assert_eq!(with("learn.batch=32").unwrap().learn.batch, 32);
        assert_eq!(with("data.source=some/folder").unwrap().data.source, "some/folder");
        assert_eq!(with("chains.steps=[10, 20, 30]").unwrap().chains.steps, PerGrid::Each(vec![10, 20, 30]));
        assert_eq!(with("learn.rate=1").unwrap().learn.rate, PerGrid::All(1.0));
    }

    #[test]
    fn wrong_types_and_ranges_are_errors() {
        for bad in [
            "learn.batch=-1",
            "learn.batch=0",
            "learn.batch=many",
            "model.norm=layer",
            "learn=3",
            "learn.ema=1.0",
            "chains.steps=[1, 2]",
            "model.grids=[4, 16]",
            "model.grids=[1]",
            "model.grids=[1, 16, 4]",
            "nonsense",
            "chains.hidden_square=65",
            "chains.start=[\"data\"]",
            "learn.rate=nan",
        ] {
            assert!(with(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_resolved_configuration_survives_its_own_text() {
        for preset in PRESETS {
            let config = resolve(&[Source::preset(preset.name).unwrap()]).unwrap();
            let text = toml::to_string(&config).unwrap();
            assert_eq!(resolve(&[Source::text("again", &text).unwrap()]).unwrap(), config);
        }
    }
}
