use mg_model::keys::KeyDoc;
use serde_json::Value;

use super::{pointer, section};

/// Values as TOML, in the order of their keys.
pub(super) fn to_toml(values: &Value, keys: &[KeyDoc]) -> String {
    let (mut text, mut current) = (String::new(), "");
    for key in keys {
        let Some(value) = values.pointer(&pointer(&key.name)) else { continue };
        if section(&key.name) != current {
            current = section(&key.name);
            text += &format!("\n[{current}]\n");
        }
        let name = key.name.rsplit('.').next().unwrap_or_default();
        text += &format!("{name} = {}\n", value_to_toml(value));
    }
    text
}

/// A number, word, flag or list.
fn value_to_toml(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(value_to_toml).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
