use std::sync::Arc;

use candle_core::Device;
use mg_energy::PrecisionKind;
use mg_random::Key;
use serde_json::{Value, json};

use super::{MultigridConfig, MultigridLearner, learn_starts};
use crate::config::to_value;
use crate::{Batch, Class, Learner, Method, MethodConfig, Preset, Result};

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
    read: |values| Ok(Arc::new(MultigridConfig::of(values)?)),
};

impl MethodConfig for MultigridConfig {
    fn values(&self) -> Value {
        json!({
            "model": to_value(&self.settings.model),
            "chains": to_value(&self.settings.chains),
            "learn": to_value(&self.learn),
            "guard": to_value(&self.guard),
        })
    }

    fn side(&self) -> usize {
        self.settings.sides().last().copied().unwrap_or(1)
    }

    fn settled(&self, device: &Device) -> Vec<(&'static str, Value)> {
        let precision = PrecisionKind::from(self.settings.model.precision.on(device));
        vec![("model.precision", to_value(&precision))]
    }

    fn precision(&self) -> &'static str {
        self.settings.model.precision.name()
    }

    fn learner(
        &self,
        class: &Class,
        flip: bool,
        first: &mut dyn FnMut() -> Result<Batch>,
        key: Key,
        device: &Device,
    ) -> Result<Box<dyn Learner>> {
        let starts = learn_starts(class, flip, &self.settings, key, device)?;
        let key = key.named(&class.name);
        Ok(Box::new(MultigridLearner::new(self.clone(), starts, first, key, device)?))
    }
}

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
