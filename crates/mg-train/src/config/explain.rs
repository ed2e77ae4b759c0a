use std::sync::LazyLock;

use super::PRESETS;

/// Every key with its meaning: the comments of the default preset, in its order.
pub static EXPLANATIONS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| parse(PRESETS[0].text));

/// The keys whose path is `name`, lies in the section `name`, or ends with `name`, each with its meaning.
pub fn explain(name: &str) -> Vec<(&'static str, &'static str)> {
    let matches =
        |key: &str| key == name || key.starts_with(&format!("{name}.")) || key.ends_with(&format!(".{name}"));
    EXPLANATIONS.iter().filter(|(key, _)| matches(key)).map(|(k, e)| (k.as_str(), e.as_str())).collect()
}

fn parse(text: &str) -> Vec<(String, String)> {
    let (mut section, mut comment, mut all) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            comment.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            all.push((format!("{section}{key}"), std::mem::take(&mut comment).join(" ")));
        } else {
            comment.clear();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve;

    #[test]
    fn every_key_of_the_configuration_is_explained_once() {
        let mut keys = Vec::new();
        for (key, value) in toml::Table::try_from(resolve(&[]).unwrap()).unwrap() {
            match value {
                toml::Value::Table(section) => keys.extend(section.keys().map(|k| format!("{key}.{k}"))),
                _ => keys.push(key),
            }
        }
        keys.sort();
        let mut explained: Vec<String> = EXPLANATIONS.iter().map(|(key, _)| key.clone()).collect();
        explained.sort();
        assert_eq!(keys, explained);
        assert!(EXPLANATIONS.iter().all(|(_, text)| text.len() > 10));
    }
}
