//! The systems that the multi-grid paper compares with, each in a file that reads like its paper.
//!
//! A file holds a method's configuration, its [`Learner`](mg_train::Learner), whose `step` is the algorithm, and its
//! [`METHOD`](dcgan::METHOD), which a program registers. What they share: `nets`, the generator and the discriminator of
//! Radford et al.; `net`, a net that learns; `game`, two of them; `recipe`, what their
//! configurations share; `optimizer`; [`generator`], the models they leave. Those that classify share `few_labels`, `net_set` and
//! `vector_learner`.
//!
//! ```no_run
//! use mg_baselines::METHODS;
//! use mg_train::config::{Layer, resolve};
//!
//! # fn main() -> mg_train::Result<()> {
//! let config = resolve(METHODS, &[Layer::preset(METHODS, "dcgan")?])?;
//! assert_eq!(config.learn.batch, 128);
//! # Ok(())
//! # }
//! ```

pub mod adgm;
pub mod adversarial_cd;
pub mod classifier;
mod classifier_net;
mod coding;
pub mod context_encoder;
pub mod cooperative;
pub mod dcgan;
pub mod deep_directed;
pub mod descriptor;
mod descriptor_keys;
pub mod dgn;
pub mod encoder;
mod few_labels;
mod fixed_net;
mod game;
pub mod generator;
#[cfg(test)]
mod golden;
mod initial;
mod losses;
mod max_pool;
mod net;
mod net_set;
mod nets;
mod optimizer;
mod pair;
mod recipe;
mod saved;
mod statistics;
pub mod vat;
mod vector_learner;
mod vector_model;
mod vectors;
pub mod wgan;

use mg_train::Methods;

/// All methods of the paper: multi-grid learning, and those that it is compared with.
pub const METHODS: Methods = &[
    &mg_train::multigrid::METHOD,
    &dcgan::METHOD,
    &wgan::METHOD,
    &deep_directed::METHOD,
    &adversarial_cd::METHOD,
    &cooperative::METHOD,
    &context_encoder::METHOD,
    &vat::METHOD,
    &adgm::METHOD,
    &dgn::METHOD,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mg_train::config::{Layer, resolve};

    use super::*;

    #[test]
    fn every_preset_has_every_key_of_its_method_documented_and_survives_its_own_text() {
        for method in METHODS {
            for preset in method.presets {
                let layer = Layer::preset(METHODS, preset.name).unwrap();
                let config = resolve(METHODS, &[layer]).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
                let again = Layer::text("again", &config.to_toml()).unwrap();
                assert_eq!(resolve(METHODS, &[again]).unwrap(), config, "{}", preset.name);
                let values = config.values();
                let sections = values.as_object().unwrap().iter().filter_map(|(name, value)| {
                    Some(value.as_object()?.keys().map(move |key| format!("{name}.{key}")))
                });
                let found: BTreeSet<String> = sections.flatten().collect();
                let documented = config.keys().into_iter().map(|key| key.name);
                let documented: BTreeSet<String> = documented.filter(|name| name.contains('.')).collect();
                assert_eq!(found, documented, "{}", preset.name);
            }
        }
    }
}
