use std::collections::BTreeMap;
use std::path::Path;

use mg_model::keys::KeyDoc;
use toml::{Table, Value};

use super::{Config, FIRST_METHOD, PRESETS, find_method, keys, pointer, preset};
use crate::checksum::is_sound_text;
use crate::{Error, Method, Methods, Result};

/// One layer of configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Layer {
    name: String,
    table: Table,
    /// The value of an assignment as it was written.
    written: Option<String>,
}

/// Parts of a key, at most.
const PARTS: usize = 8;

impl Layer {
    /// The preset of this name.
    ///
    /// # Errors
    /// When there is no such preset.
    pub fn preset(methods: Methods, name: &str) -> Result<Self> {
        Layer::text(&format!("preset {name}"), preset(methods, name)?.text)
    }

    /// A TOML file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or holds a checksum and is not what was written with it.
    pub fn file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        if !is_sound_text(&text) {
            let message = "it has been altered since it was written, by its checksum; if you changed it on purpose, delete \
                           the line of the checksum";
            let place = path.display().to_string();
            return Err(Error::ConfigSyntax { place, message: message.to_string() });
        }
        Layer::text(&path.display().to_string(), &text)
    }

    /// TOML text; `name` appears in errors.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn text(name: &str, text: &str) -> Result<Self> {
        let wrong = |message: String| Error::ConfigSyntax { place: name.to_string(), message };
        let table = text.parse::<Table>().map_err(|e| wrong(e.to_string()))?;
        Ok(Layer { name: name.to_string(), table, written: None })
    }

    /// One assignment `key=value`. The value is TOML; what is not TOML is a string.
    ///
    /// # Errors
    /// When there is no `=`.
    pub fn assignment(text: &str) -> Result<Self> {
        let name = format!("--set {text}");
        let Some((key, value)) = text.split_once('=') else {
            let message = "expected key=value, for example learn.batch=32".to_string();
            return Err(Error::ConfigSyntax { place: name, message });
        };
        if key.split('.').count() > PARTS {
            let message =
                format!("a key has at most {PARTS} parts, as in section.key; `mg config explain` lists all");
            return Err(Error::ConfigSyntax { place: "--set".to_string(), message });
        }
        let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
        let mut node = parsed.unwrap_or_else(|| Value::String(value.trim().to_string()));
        let mut path: Vec<&str> = key.trim().split('.').collect();
        while let Some(part) = path.pop().filter(|_| !path.is_empty()) {
            node = Value::Table(Table::from_iter([(part.to_string(), node)]));
        }
        let root = key.trim().split('.').next().unwrap_or_default();
        let table = Table::from_iter([(root.to_string(), node)]);
        Ok(Layer { name, table, written: Some(value.trim().to_string()) })
    }
}

/// The configuration that `layers` make, later ones over earlier ones, all over the defaults of the method that they name.
///
/// # Errors
/// An unknown method or key (with the nearest known one), a value of the wrong type or out of range, or values that do not
/// fit each other.
pub fn resolve(methods: Methods, layers: &[Layer]) -> Result<Config> {
    let method = method_of(methods, layers)?;
    let known = defaults(method)?;
    let mut merged = Merged { table: known.clone(), places: BTreeMap::new(), keys: keys(method) };
    for layer in layers {
        merged.lay(&known, layer.table.clone(), "", layer)?;
    }
    let values = serde_json::to_value(&merged.table).unwrap_or_default();
    for key in &merged.keys {
        if let Some(value) = values.pointer(&pointer(&key.name))
            && let Err(error) = key.check(value)
        {
            return Err(refused(error.to_string(), merged.places.get(&key.name).cloned()));
        }
    }
    let places: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    Config::of_values(methods, &values)
        .map_err(|error| refused(error.to_string(), (!places.is_empty()).then(|| places.join(", "))))
}

/// The method that the last layer which names one wants.
fn method_of(methods: Methods, layers: &[Layer]) -> Result<&'static Method> {
    let named = layers.iter().rev().find_map(|layer| Some((layer.table.get("method")?, &layer.name)));
    match named {
        None => find_method(methods, FIRST_METHOD),
        Some((Value::String(name), place)) => {
            find_method(methods, name).map_err(|error| refused(error.to_string(), Some(place.clone())))
        }
        Some((other, place)) => {
            let message = format!("method is {other}; it must be the name of a method");
            Err(refused(message, Some(place.clone())))
        }
    }
}

/// The default of every key of a method.
fn defaults(method: &Method) -> Result<Table> {
    let mut table = Table::new();
    let shared = (PRESETS[0].name, PRESETS[0].text);
    let own = method.keys.iter().map(|text| (method.name, *text));
    for (name, text) in std::iter::once(shared).chain(own) {
        for (section, value) in Layer::text(name, text)?.table {
            match (table.get_mut(&section), value) {
                (Some(Value::Table(keys)), Value::Table(more)) => keys.extend(more),
                (_, value) => drop(table.insert(section, value)),
            }
        }
    }
    table.insert("method".to_string(), Value::String(method.name.to_string()));
    Ok(table)
}

fn refused(message: String, place: Option<String>) -> Error {
    let places = place.unwrap_or_else(|| "the defaults".to_string());
    Error::ConfigValue { message: message.trim().replace('\n', " "), places }
}

/// Layers laid over each other.
struct Merged {
    table: Table,
    /// Which layer said the value of a key.
    places: BTreeMap<String, String>,
    keys: Vec<KeyDoc>,
}

impl Merged {
    /// Lays the keys of a layer, below `prefix`, over what is there; `known` holds the keys there are.
    fn lay(&mut self, known: &Table, table: Table, prefix: &str, layer: &Layer) -> Result<()> {
        let place = &layer.name;
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            let Some(known) = known.get(&key) else {
                return Err(self.unknown(first_leaf(path, &value), place));
            };
            match (known, value) {
                (Value::Table(known), Value::Table(table)) => {
                    self.lay(known, table, &format!("{path}."), layer)?;
                }
                (Value::Table(_), value) => {
                    let message = format!("{path} is a section, not {value}; set one of its keys");
                    return Err(Error::ConfigSyntax { place: place.to_string(), message });
                }
                (_, value) => {
                    let value = self.as_meant(&path, value, layer)?;
                    let keys = match prefix.strip_suffix('.') {
                        None => Some(&mut self.table),
                        Some(section) => self.table.get_mut(section).and_then(Value::as_table_mut),
                    };
                    keys.map(|keys| keys.insert(key, value));
                    self.places.insert(path, place.clone());
                }
            }
        }
        Ok(())
    }

    /// The value of a key that holds text is what was written, also where that could be a number (a class called 3). What is
    /// too large for a number of TOML was read as text.
    fn as_meant(&self, path: &str, value: Value, layer: &Layer) -> Result<Value> {
        let is_text = self.keys.iter().any(|key| key.name == path && key.range.is_text());
        match value {
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) if is_text => {
                Ok(Value::String(layer.written.clone().unwrap_or_else(|| value.to_string())))
            }
            Value::String(digits) if !is_text && is_too_large(&digits) => {
                let message = format!("{path} is {digits}; a whole number is at most {}", i64::MAX);
                Err(Error::ConfigSyntax { place: layer.name.clone(), message })
            }
            value => Ok(value),
        }
    }

    fn unknown(&self, path: String, place: &str) -> Error {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_string();
        let distance = |known: &str| {
            strsim::levenshtein(&path, known).min(strsim::levenshtein(&last(&path), &last(known)) + 1)
        };
        let nearest = self.keys.iter().map(|key| (distance(&key.name), key.name.as_str())).min();
        let suggestion = match nearest {
            Some((d, key)) if d <= 3.max(path.len() / 3) => format!("did you mean {key}?"),
            _ => "`mg config explain` lists all keys".to_string(),
        };
        Error::UnknownKey { key: path, place: place.to_string(), suggestion }
    }
}

/// Digits that make no number of TOML.
fn is_too_large(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u128>().is_ok_and(|n| n > i64::MAX as u128)
}

/// `path` down to the first value that is no section, so that a mistyped section still finds its keys.
fn first_leaf(path: String, value: &Value) -> String {
    match value.as_table().and_then(|table| table.iter().next()) {
        Some((key, inner)) => first_leaf(format!("{path}.{key}"), inner),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::METHODS;

    fn with(text: &str) -> Result<Config> {
        resolve(METHODS, &[Layer::assignment(text)?])
    }

    fn value(text: &str, pointer: &str) -> serde_json::Value {
        with(text).unwrap().values().pointer(pointer).unwrap().clone()
    }

    #[test]
    fn a_typo_is_an_error_that_names_the_nearest_key() {
        for (typo, key) in [
            ("learn.rat=1", "learn.rate"),
            ("chain.steps=3", "chains.steps"),
            ("batch=3", "learn.batch"),
            ("model.activaton=silu", "model.activation"),
            ("methd=multigrid", "method"),
        ] {
            let message = with(typo).unwrap_err().to_string();
            assert!(message.contains(&format!("did you mean {key}?")), "{message}");
        }
    }

    #[test]
    fn values_may_be_toml_or_bare_words() {
        assert_eq!(with("learn.batch=32").unwrap().learn.batch, 32);
        assert_eq!(with("data.source=some/folder").unwrap().data.source, "some/folder");
        assert_eq!(value("chains.steps=[10, 20, 30]", "/chains/steps"), json!([10, 20, 30]));
        assert_eq!(value("learn.rate=1", "/learn/rate"), json!(1.0));
    }

    #[test]
    fn wrong_types_and_ranges_are_errors_in_plain_words() {
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
            "model.grids=many",
            "model.nets=other",
            "model.nets=[[[1, 2]]]",
            "nonsense",
            "chains.hidden_square=65",
            "chains.start=[\"data\"]",
            "learn.rate=nan",
            "data.split=all",
            "data.flip=1",
            "method=magic",
            "method=3",
            "guard.patience=5000000000",
        ] {
            let message = with(bad).map(drop).expect_err(bad).to_string();
            for word in ["serde", "invalid type", "expected", "untagged", "variant", "usize", "struct"] {
                assert!(!message.contains(word) || bad == "nonsense", "{bad}: {message}");
            }
        }
        let message = with("learn.batch=many").unwrap_err().to_string();
        assert_eq!(
            message,
            "learn.batch is \"many\"; it must be a whole number from 1 to 1048576 (from --set learn.batch=many); `mg config explain KEY` says what a key may be"
        );
    }

    #[test]
    fn text_that_looks_like_a_number_stays_as_it_was_written() {
        for (written, meant) in
            [("3", "3"), ("0x10", "0x10"), ("true", "true"), ("1.50", "1.50"), ("\"3\"", "3")]
        {
            assert_eq!(value(&format!("data.class={written}"), "/data/class"), json!(meant));
        }
        let file = Layer::text("file.toml", "data.class = 3").unwrap();
        assert_eq!(resolve(METHODS, &[file]).unwrap().values()["data"]["class"], json!("3"));
    }

    #[test]
    fn a_number_too_large_for_toml_is_called_that() {
        for key in ["seed", "learn.iterations"] {
            let message = with(&format!("{key}=9223372036854775808")).unwrap_err().to_string();
            assert!(message.contains("a whole number is at most 9223372036854775807"), "{message}");
        }
        assert_eq!(with("seed=9223372036854775807").unwrap().seed, i64::MAX as u64);
    }

    #[test]
    fn a_key_of_very_many_parts_is_refused_before_it_is_read() {
        for n in [999, 60_000] {
            let text = format!("seed = 1\n{}a = 1", "a.".repeat(n));
            let message = Layer::text("deep.toml", &text).and_then(|layer| resolve(METHODS, &[layer]));
            let message = message.map(drop).unwrap_err().to_string();
            assert!(message.contains("deep.toml: recursion limit"), "{message:.200}");
        }
    }

    #[test]
    fn the_layer_that_said_a_wrong_value_is_named() {
        let good = Layer::text("good.toml", "[learn]\nbatch = 3").unwrap();
        let bad = Layer::text("bad.toml", "[learn]\nema = 7").unwrap();
        let message = resolve(METHODS, &[good.clone(), bad, good]).unwrap_err().to_string();
        assert!(message.contains("from bad.toml)"), "{message}");
    }

    #[test]
    fn later_layers_lie_over_earlier_ones() {
        let layer = |text: &str| Layer::text("layer", text).unwrap();
        let layers = [layer("seed = 1\n[learn]\nbatch = 4\niterations = 7"), layer("[learn]\nbatch = 5")];
        let config = resolve(METHODS, &layers).unwrap();
        assert_eq!((config.seed, config.learn.batch, config.learn.iterations), (1, 5, 7));
    }

    #[test]
    fn a_resolved_configuration_survives_its_own_text() {
        for preset in crate::config::presets(METHODS) {
            let config = resolve(METHODS, &[Layer::preset(METHODS, preset.name).unwrap()]).unwrap();
            let text = Layer::text("again", &config.to_toml()).unwrap();
            assert_eq!(resolve(METHODS, &[text]).unwrap(), config);
            assert_eq!(Config::of_values(METHODS, &config.values()).unwrap(), config);
        }
    }

    #[test]
    fn every_key_is_documented_once_and_in_its_own_range() {
        let config = resolve(METHODS, &[]).unwrap();
        let values = config.values();
        let mut documented: Vec<String> = config.keys().into_iter().map(|key| key.name).collect();
        for key in config.keys() {
            assert!(key.meaning.len() > 10, "{}", key.name);
            key.check(values.pointer(&pointer(&key.name)).unwrap()).unwrap();
        }
        let mut found = Vec::new();
        for (name, value) in values.as_object().unwrap() {
            match value.as_object() {
                Some(section) => found.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => found.push(name.clone()),
            }
        }
        found.sort();
        documented.sort();
        assert_eq!(found, documented);
    }
}
