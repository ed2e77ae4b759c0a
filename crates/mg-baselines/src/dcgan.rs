//! DCGAN (Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
//! networks", ICLR 2016).
//!
//! The discriminator D learns to tell observed images from generated ones by binary cross-entropy; the generator G learns to
//! make images that D takes for observed ones: it descends -log D(G(z)), not log(1 - D(G(z))) (Goodfellow et al., 2014).

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::game::{GAME_KEYS, Game, GameGuard, say_deviations};
use crate::losses::cross_entropy;
use crate::net::{Uses, scalar};
use crate::nets::{DISCRIMINATOR_KEYS, NET_KEYS, NetKeys, PRIOR_KEYS, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};

/// DCGAN.
pub const METHOD: Method = Method {
    name: "dcgan",
    summary: "a generator and a discriminator that learn from each other (Radford et al., 2016)",
    keys: &[NET_KEYS, PRIOR_KEYS, DISCRIMINATOR_KEYS, include_str!("../keys/dcgan.toml"), GAME_KEYS],
    presets: &[Preset {
        name: "dcgan",
        summary: "DCGAN with its paper's settings",
        text: include_str!("../presets/dcgan.toml"),
    }],
    kind: &crate::generator::KIND,
    read: |values| {
        Ok(configured(DcganConfig {
            model: NetKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct DcganConfig {
    model: NetKeys,
    learn: LearnKeys,
    guard: GameGuard,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    rate: f64,
    beta1: f64,
    beta2: f64,
    l2: f64,
}

impl Recipe for DcganConfig {
    fn side(&self) -> usize {
        self.model.side
    }

    fn precision(&self) -> PrecisionKind {
        self.model.precision
    }

    fn values(&self) -> Value {
        json!({ "model": self.model, "learn": self.learn, "guard": self.guard })
    }

    fn start(&self, from: &Beginning<'_>) -> Result<Box<dyn Learner>> {
        Ok(Box::new(self.nets(from.key, from.device)?))
    }
}

impl DcganConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<Dcgan> {
        let LearnKeys { beta1, beta2, l2, .. } = self.learn;
        let rule = (Rule::Adam { beta1, beta2, eps: 1e-8 }, l2);
        Ok(Dcgan { game: Game::new(&self.model, rule, rule, key, device)?, config: self.clone() })
    }
}

struct Dcgan {
    game: Game,
    config: DcganConfig,
}

impl Dcgan {
    /// One update of each net, of step size `rate`, from observed images [n, 3, s, s] and latent numbers [n, latent, 1, 1].
    fn update(&mut self, observed: &Tensor, z: &Tensor, rate: f64) -> Result<Report> {
        let generated = self.game.generate(z)?;
        let mut report = Report::default();
        report.say("discriminator.loss", self.update_discriminator(observed, &generated.detach(), rate)?);
        report.say("generator.loss", self.update_generator(&generated, rate)?);
        say_deviations(&mut report, observed, &generated)?;
        Ok(report)
    }

    /// Observed images should be taken for ones, generated ones for zeros.
    fn update_discriminator(&mut self, observed: &Tensor, generated: &Tensor, rate: f64) -> Result<f64> {
        self.game.discriminator.contrast([observed, generated], rate, None, |judged, is_observed| {
            Ok(cross_entropy(judged, f64::from(u8::from(is_observed)))?)
        })
    }

    /// Generated images should be taken for ones.
    fn update_generator(&mut self, generated: &Tensor, rate: f64) -> Result<f64> {
        let Game { generator, discriminator, .. } = &mut self.game;
        let d = discriminator.fixed(Uses::One)?;
        let loss = cross_entropy(&discriminator.forward(&d, generated)?, 1.0)?;
        generator.step(&generator.gradient(&loss)?, rate, None)?;
        scalar(&loss)
    }
}

impl Learner for Dcgan {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let observed = Game::images(batch, at)?;
        let z = self.game.latent(observed.dim(0)?, at, 0)?;
        self.update(&observed, &z, self.config.learn.rate * at.rate_scale)
    }

    fn state(&self) -> Result<State> {
        self.game.state()
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.game.restore(state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        self.game.artefact()
    }

    fn limits(&self) -> Vec<Limit> {
        self.config.guard.limits()
    }

    fn watched(&self) -> Vec<String> {
        vec!["discriminator.loss".into(), "generator.loss".into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, inputs, keys, prepare};

    #[test]
    fn an_update_is_pytorch_s() {
        let golden = Golden::read(include_str!("../golden/dcgan.json"));
        let learn = LearnKeys { rate: 2e-4, beta1: 0.5, beta2: 0.999, l2: 1e-5 };
        let config = DcganConfig { model: keys(5), learn, guard: GameGuard::default() };
        let mut dcgan = config.nets(Key::new(0), &Device::Cpu).unwrap();
        prepare(&mut dcgan.game, f32::INFINITY);
        let (observed, z) = inputs();
        let report = dcgan.update(&observed, &z, 2e-4).unwrap();
        golden.number("loss", report.values["discriminator.loss"]);
        golden.number("generator_loss", report.values["generator.loss"]);
        golden.game(&dcgan.game);
    }
}
