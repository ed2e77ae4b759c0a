use std::sync::LazyLock;

use crate::keys::KeyDoc;

/// The keys of `[model]` and `[chains]` as annotated TOML: what a model is made of and how it is sampled.
pub const KEYS_TEXT: &str = include_str!("../../keys/multigrid.toml");

/// The same, parsed.
pub static KEYS: LazyLock<Vec<KeyDoc>> = LazyLock::new(|| KeyDoc::parse(KEYS_TEXT));
