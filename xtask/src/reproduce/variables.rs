//! What the words of stages are filled in with.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::template::Template;

/// Variables by their names.
pub(super) type Variables = BTreeMap<String, Value>;

/// What a variable holds; in both, other variables may stand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    /// A word, or a part of one.
    Word(String),
    /// Several words, or none.
    Words(Vec<String>),
}

/// The name of the folder of the stage itself.
pub(super) const OUT: &str = "out";
/// The name of the seed.
pub(super) const SEED: &str = "seed";
/// What the names of variables of data begin with.
pub(super) const DATA: &str = "data";

impl Value {
    /// A word in which nothing stands for anything else.
    pub(super) fn literal(text: &str) -> Self {
        Value::Word(Template::escaped(text))
    }
}

/// Checks the form of every value, and that no name means something else too; `stages` have names of their own.
pub(super) fn check(variables: &Variables, stages: &[&str]) -> Result<()> {
    for (name, value) in variables {
        let is_taken = [SEED, OUT].contains(&name.as_str()) || stages.contains(&name.as_str());
        ensure!(!is_taken, "the variable {name} needs another name: {{{name}}} means something else already");
        let words = match value {
            Value::Word(word) => std::slice::from_ref(word),
            Value::Words(words) => words,
        };
        for word in words {
            Template::parse(word).with_context(|| format!("variable {name}"))?;
        }
    }
    Ok(())
}
