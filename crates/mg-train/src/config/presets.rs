use crate::{Error, Methods, Preset, Result};

/// The presets of all methods: the first holds every key that methods share.
pub const PRESETS: &[Preset] = &[Preset {
    name: "default",
    summary: "portraits in minutes on two processor cores",
    text: include_str!("../../presets/default.toml"),
}];

/// The presets that a program knows.
pub fn presets(methods: Methods) -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().chain(methods.iter().flat_map(|method| method.presets))
}

/// The preset of this name.
///
/// # Errors
/// Lists the names there are.
pub fn preset(methods: Methods, name: &str) -> Result<&'static Preset> {
    presets(methods).find(|preset| preset.name == name).ok_or_else(|| Error::UnknownPreset {
        name: name.to_string(),
        known: presets(methods).map(|preset| preset.name).collect::<Vec<_>>().join(", "),
    })
}
