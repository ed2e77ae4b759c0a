//! Adversarial contrastive divergence: equation (10) of the paper, min over p max over q of KL(data, p) - KL(q, p) (Kim and
//! Bengio, 2016; Dai et al., "Calibrating energy-based generative adversarial networks", ICLR 2017).
//!
//! The energy learns from observed images and those of a generator. The generator makes images of low energy and keeps its
//! entropy, of which H(z) + E log r(z given G(z)) is a lower bound for any r; here r is normal, with the mean and variance that
//! an inference net sees in the image (the variational bound of Dai et al., section 4.2).

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::game::{GAME_KEYS, Game, GameGuard, say_deviations};
use crate::net::{Net, Uses, scalar};
use crate::nets::{DISCRIMINATOR_KEYS, NET_KEYS, NetKeys, PRIOR_KEYS, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::saved;

/// Adversarial contrastive divergence.
pub const METHOD: Method = Method {
    name: "adversarial-cd",
    summary: "an energy, and a generator that keeps its entropy as an inference net sees it (equation 10)",
    keys: &[NET_KEYS, PRIOR_KEYS, DISCRIMINATOR_KEYS, include_str!("../keys/adversarial-cd.toml"), GAME_KEYS],
    presets: &[Preset {
        name: "adversarial-cd",
        summary: "adversarial contrastive divergence, equation (10)",
        text: include_str!("../presets/adversarial-cd.toml"),
    }],
    kind: &crate::generator::ENERGY_KIND,
    read: |values| {
        Ok(configured(AdversarialCdConfig {
            model: NetKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct AdversarialCdConfig {
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
    entropy: f64,
    entropy_decay: f64,
    least_entropy: f64,
    energy_regularization: f64,
}

impl LearnKeys {
    /// Weight of the entropy after so many passes over the data.
    fn entropy_after(&self, passes: f64) -> f64 {
        (self.entropy * self.entropy_decay.powf(passes.floor())).max(self.least_entropy.min(self.entropy))
    }
}

impl Recipe for AdversarialCdConfig {
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

impl AdversarialCdConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<AdversarialCd> {
        let (LearnKeys { beta1, beta2, .. }, model) = (&self.learn, &self.model);
        let rule = (Rule::Adam { beta1: *beta1, beta2: *beta2, eps: 1e-8 }, 0.0);
        let game = Game::new(model, rule, rule, key, device)?;
        let (shape, precision) = (model.discriminator(2 * model.latent), model.precision.on(device));
        let inference = Net::new(&shape, precision, model.initial(), rule, key.named("inference"), device)?;
        Ok(AdversarialCd { game, inference, config: self.clone() })
    }
}

struct AdversarialCd {
    game: Game,
    /// From images to means and logarithms of variances of their latent numbers.
    inference: Net,
    config: AdversarialCdConfig,
}

impl AdversarialCd {
    /// One update of each net from observed images [n, 3, s, s] and latent numbers [n, latent, 1, 1].
    fn update(&mut self, observed: &Tensor, z: &Tensor, rate: f64, entropy: f64) -> Result<Report> {
        let generated = self.game.generate(z)?;
        let mut report = Report::default();
        report.say("discriminator.loss", self.update_energy(observed, &generated.detach(), rate)?);
        let (energy, unseen) = self.update_generator(&generated, z, rate, entropy)?;
        report.say("generator.loss", energy + entropy * unseen);
        report.say("generator.log_density", -unseen);
        say_deviations(&mut report, observed, &generated)?;
        Ok(report)
    }

    /// Observed images should have large scores (low energies), generated ones small scores. Returns minus their gap.
    fn update_energy(&mut self, observed: &Tensor, generated: &Tensor, rate: f64) -> Result<f64> {
        let (net, weight) = (&mut self.game.discriminator, self.config.learn.energy_regularization);
        let mut gap = 0.0;
        net.contrast([observed, generated], rate, None, |scores, is_observed| {
            let signed = (scores.mean_all()? * if is_observed { -1.0 } else { 1.0 })?;
            gap += scalar(&signed)?;
            Ok((signed + (scores.sqr()?.mean_all()? * weight)?)?)
        })?;
        Ok(gap)
    }

    /// Generated images should have low energy, and latent numbers be seen in them. Returns their mean energy, and minus the
    /// mean log density of all latent numbers given an image, up to a constant.
    fn update_generator(
        &mut self,
        generated: &Tensor,
        z: &Tensor,
        rate: f64,
        weight: f64,
    ) -> Result<(f64, f64)> {
        let Game { generator, discriminator, .. } = &mut self.game;
        let energy = discriminator.forward(&discriminator.fixed(Uses::One)?, generated)?.mean_all()?.neg()?;
        let r = self.inference.learning(Uses::One)?;
        let seen = self.inference.forward(&r, generated)?.chunk(2, 1)?; // means and log variances, as z
        let log_variance = seen[1].clamp(-LOG_VARIANCE, LOG_VARIANCE)?;
        let distance = ((z - &seen[0])?.sqr()? * log_variance.neg()?.exp()?)?;
        let unseen = ((distance + log_variance)?.flatten_from(1)?.sum(1)?.mean_all()? * 0.5)?;
        let mut gradients = (&energy + (&unseen * weight)?)?.backward()?;
        generator.step(&generator.take_gradient(&mut gradients)?, rate, None)?;
        self.inference.step(&self.inference.take_gradient(&mut gradients)?, rate, None)?;
        Ok((scalar(&energy)?, scalar(&unseen)?))
    }
}

/// Logarithms of variances that an inference net sees have at most this size.
const LOG_VARIANCE: f32 = 8.0;

impl Learner for AdversarialCd {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let (learn, observed) = (&self.config.learn, Game::images(batch, at)?);
        let (rate, entropy) = (learn.rate * at.rate_scale, learn.entropy_after(at.passes));
        let z = self.game.latent(observed.dim(0)?, at, 0)?;
        self.update(&observed, &z, rate, entropy)
    }

    fn state(&self) -> Result<State> {
        let Game { generator, discriminator, .. } = &self.game;
        let nets =
            [("generator", generator), ("discriminator", discriminator), ("inference", &self.inference)];
        saved::state(&nets)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let Game { generator, discriminator, .. } = &mut self.game;
        let nets =
            [("generator", generator), ("discriminator", discriminator), ("inference", &mut self.inference)];
        saved::restore(&mut { nets }, state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        self.game.artefact()
    }

    fn limits(&self) -> Vec<Limit> {
        self.config.guard.limits()
    }

    fn watched(&self) -> Vec<String> {
        ["discriminator.loss", "generator.loss", "generator.log_density"].map(String::from).to_vec()
    }
}

#[cfg(test)]
mod tests;
