use crate::{Error, Result};

/// A named layer of configuration; the comments of its text say where every number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal: $summary:literal,)*) => {
        &[$(Preset { name: $name, summary: $summary, text: include_str!(concat!("../../presets/", $name, ".toml")) },)*]
    };
}

/// All presets; the first holds every key.
pub const PRESETS: &[Preset] = presets! {
    "default": "portraits in minutes on two processor cores",
    "full": "the paper's net sizes with the calm recipe, for photographs",
    "paper": "section 6 of the paper, to the letter",
    "release-a": "the authors' first release",
    "single-grid": "layer: the finest net alone, from the 1x1 image",
    "cd1": "layer: one-step contrastive divergence",
    "persistent-cd": "layer: persistent contrastive divergence",
    "recovery": "layer: learning for recovery of hidden pixels",
};

/// The preset of this name.
///
/// # Errors
/// Lists the names there are.
pub fn preset(name: &str) -> Result<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| Error::UnknownPreset {
        name: name.to_string(),
        known: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, resolve};

    #[test]
    fn every_preset_resolves_and_is_valid() {
        for preset in PRESETS {
            let config = resolve(&[Source::preset(preset.name).unwrap()]).unwrap();
            config.validate().unwrap_or_else(|e| panic!("{}: {e}", preset.name));
        }
    }

    #[test]
    fn the_paper_s_units_are_grey_levels_over_127_5() {
        let config = resolve(&[Source::preset("paper").unwrap()]).unwrap();
        let delta: f64 = 0.3 / 127.5;
        assert!((config.chains.noise_scale.at(0) - delta).abs() < 1e-12);
        assert!((config.chains.step_size.at(0) - delta * delta / 2.0).abs() < 1e-12);
        assert!((config.model.sigma - 50.0 / 127.5).abs() < 1e-12);
    }
}
