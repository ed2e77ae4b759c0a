//! Algorithm 1: multi-grid learning, and with other grids, starts and steps single-grid learning, contrastive divergence and
//! persistent contrastive divergence.

mod algorithm;
mod config;
mod gradient;
mod grid;
mod learner;
mod masks;
mod persistent;
mod report;
mod schedule;
mod starts;

pub use config::{Decay, GradientTreatment, GuardKeys, LearnKeys, MultigridConfig, OptimizerKind};
pub use grid::{Gradient, Grid};
pub use learner::MultigridLearner;
pub use persistent::PersistentChains;
pub use schedule::rate_factor;
pub use starts::learn_starts;

use crate::Method;
use crate::config::Preset;

macro_rules! presets {
    ($($name:literal: $summary:literal,)*) => {
        &[$(Preset { name: $name, summary: $summary, text: include_str!(concat!("../../presets/", $name, ".toml")) },)*]
    };
}

/// Multi-grid learning and its relatives.
pub const METHOD: Method = Method {
    name: "multigrid",
    summary: "an energy per grid, learned by contrasting observed images with chains from coarse to fine",
    keys: &[mg_model::multigrid::KEYS_TEXT, include_str!("../../presets/multigrid.toml")],
    presets: presets! {
        "full": "the paper's net sizes with the calm recipe, for photographs",
        "paper": "section 6 of the paper, to the letter",
        "release-a": "the authors' first release",
        "single-grid": "layer: the finest net alone, from the 1x1 image",
        "cd1": "layer: one-step contrastive divergence",
        "persistent-cd": "layer: persistent contrastive divergence",
        "recovery": "layer: learning for recovery of hidden pixels",
    },
    kind: &mg_model::multigrid::KIND,
    read: config::read,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::METHODS;
    use crate::config::{Layer, resolve};

    #[test]
    fn every_preset_is_a_configuration() {
        for preset in METHOD.presets {
            let layer = Layer::preset(METHODS, preset.name).unwrap();
            resolve(METHODS, &[layer]).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
        }
    }

    #[test]
    fn the_paper_s_units_are_grey_levels_over_127_5() {
        let config = resolve(METHODS, &[Layer::preset(METHODS, "paper").unwrap()]).unwrap();
        let own = MultigridConfig::of(&config.values()).unwrap();
        let delta: f64 = 0.3 / 127.5;
        assert!((own.settings.chains.noise_scale.at(0) - delta).abs() < 1e-12);
        assert!((own.settings.chains.step_size.at(0) - delta * delta / 2.0).abs() < 1e-12);
        assert!((own.settings.model.sigma - 50.0 / 127.5).abs() < 1e-12);
    }
}
