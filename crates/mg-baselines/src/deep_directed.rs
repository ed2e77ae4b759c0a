//! Deep directed generative models with an energy (Kim and Bengio, "Deep directed generative models with energy-based
//! probability estimation", 2016).
//!
//! The energy E(x) = -sum_i softplus(w_i h(x) + b_i), experts on the top maps h of a ConvNet, learns as any energy does:
//! observed images down, generated ones up. The generator makes images of low energy and keeps its entropy, which each batch
//! norm bounds by that of a normal variable with its gamma as the deviation: (1 + log 2 pi) / 2 + log |gamma|.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::game::{GAME_KEYS, Game, GameGuard, say_deviations};
use crate::losses::score;
use crate::net::{Uses, scalar};
use crate::nets::{DISCRIMINATOR_KEYS, EXPERT_KEYS, NET_KEYS, NetKeys, PRIOR_KEYS, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};

/// Deep directed generative models.
pub const METHOD: Method = Method {
    name: "deep-directed",
    summary: "an energy of experts, and a generator that keeps its entropy (Kim and Bengio, 2016)",
    keys: &[NET_KEYS, PRIOR_KEYS, DISCRIMINATOR_KEYS, EXPERT_KEYS, GAME_KEYS],
    presets: &[Preset {
        name: "deep-directed",
        summary: "deep directed generative models with their authors' settings for faces",
        text: include_str!("../presets/deep-directed.toml"),
    }],
    kind: &crate::generator::ENERGY_KIND,
    read: |values| {
        Ok(configured(DeepDirectedConfig {
            model: NetKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct DeepDirectedConfig {
    model: NetKeys,
    learn: LearnKeys,
    guard: GameGuard,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    energy_rate: f64,
    generator_rate: f64,
    energy_l2: f64,
    entropy: f64,
}

impl Recipe for DeepDirectedConfig {
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

impl DeepDirectedConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<DeepDirected> {
        let rule = Rule::Adagrad { eps: 1e-6 };
        let (generator, energy) = ((rule, 0.0), (rule, self.learn.energy_l2));
        Ok(DeepDirected {
            game: Game::new(&self.model, generator, energy, key, device)?,
            config: self.clone(),
        })
    }
}

struct DeepDirected {
    game: Game,
    config: DeepDirectedConfig,
}

impl DeepDirected {
    /// One update of each net from observed images [n, 3, s, s] and latent numbers [n, latent, 1, 1]; rates are scaled.
    fn update(&mut self, observed: &Tensor, z: &Tensor, scale: f64) -> Result<Report> {
        let mut report = Report::default();
        let (loss, entropy) = self.update_generator(z, scale)?;
        report.say("generator.loss", loss);
        report.say("generator.entropy", entropy);
        let generated = self.game.generate(z)?.detach();
        report.say("discriminator.loss", self.update_energy(observed, &generated, scale)?);
        say_deviations(&mut report, observed, &generated)?;
        Ok(report)
    }

    /// Generated images should have low energy, and the generator large entropy. Returns the loss and the entropy.
    fn update_generator(&mut self, z: &Tensor, scale: f64) -> Result<(f64, f64)> {
        let generated = self.game.generate(z)?;
        let (Game { generator, discriminator: net, .. }, learn) = (&mut self.game, &self.config.learn);
        let e = net.fixed(Uses::One)?;
        let on_generated = energy(&net.forward(&e, &generated)?)?;
        let gradient = generator.gradient(&on_generated)?;
        // The entropy: the mean over all gammas of (1 + log 2 pi) / 2 + log |gamma|, whose gradient is 1 / gamma / their number.
        let gammas = generator.gammas()?;
        let entropy = scalar(&gammas.abs()?.log()?.mean_all()?)? + (1.0 + (2.0 * PI).ln()) / 2.0;
        let share = learn.entropy / gammas.elem_count() as f64;
        generator.add_for_gammas(&gradient, &(gammas.recip()? * -share)?)?;
        generator.step(&gradient, scale * learn.generator_rate, None)?;
        Ok((scalar(&on_generated)? - learn.entropy * entropy, entropy))
    }

    /// Observed images should have low energy, generated ones high energy. Returns the gap between them.
    fn update_energy(&mut self, observed: &Tensor, generated: &Tensor, scale: f64) -> Result<f64> {
        let rate = scale * self.config.learn.energy_rate;
        self.game.discriminator.contrast([observed, generated], rate, None, |experts, is_observed| {
            let energy = energy(experts)?;
            if is_observed { Ok(energy) } else { Ok(energy.neg()?) }
        })
    }
}

/// The mean energy of images whose experts say [n, experts, 1, 1].
fn energy(experts: &Tensor) -> Result<Tensor> {
    Ok(score(experts)?.mean_all()?.neg()?)
}

impl Learner for DeepDirected {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let observed = Game::images(batch, at)?;
        let z = self.game.latent(observed.dim(0)?, at, 0)?;
        self.update(&observed, &z, at.rate_scale)
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
        ["discriminator.loss", "generator.loss", "generator.entropy"].map(String::from).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, inputs, keys, prepare};
    use crate::nets::ExpertKeys;

    #[test]
    fn an_update_is_pytorch_s() {
        let golden = Golden::read(include_str!("../golden/deep-directed.json"));
        let learn = LearnKeys { energy_rate: 1e-3, generator_rate: 2e-3, energy_l2: 1e-5, entropy: 1.0 };
        let experts = Some(ExpertKeys { experts: 7, bias: 0.1 });
        let model = NetKeys { experts, ..keys(5) };
        let config = DeepDirectedConfig { model, learn, guard: GameGuard::default() };
        let mut nets = config.nets(Key::new(0), &Device::Cpu).unwrap();
        prepare(&mut nets.game, f32::INFINITY);
        let (observed, z) = inputs();
        let report = nets.update(&observed, &z, 1.0).unwrap();
        golden.number("loss", report.values["discriminator.loss"]);
        golden.number("generator_loss", report.values["generator.loss"]);
        golden.game(&nets.game);
    }
}
