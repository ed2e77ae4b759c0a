//! WGAN with a clamped critic (Arjovsky, Chintala and Bottou, "Wasserstein generative adversarial networks", ICML 2017).
//!
//! The critic f ascends mean f(observed) - mean f(generated), its parameters limited to a box so that it is Lipschitz; the
//! generator ascends mean f(generated). The generator moves once the critic has had its steps (algorithm 1).

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::game::{GAME_KEYS, Game, GameGuard, say_deviations};
use crate::net::{Uses, scalar};
use crate::nets::{DISCRIMINATOR_KEYS, NET_KEYS, NetKeys, PRIOR_KEYS, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::saved::count;

/// WGAN.
pub const METHOD: Method = Method {
    name: "wgan",
    summary: "a generator and a critic whose weights are clamped (Arjovsky et al., 2017)",
    keys: &[NET_KEYS, PRIOR_KEYS, DISCRIMINATOR_KEYS, include_str!("../keys/wgan.toml"), GAME_KEYS],
    presets: &[Preset {
        name: "wgan",
        summary: "WGAN with its paper's settings",
        text: include_str!("../presets/wgan.toml"),
    }],
    kind: &crate::generator::KIND,
    read: |values| {
        Ok(configured(WganConfig {
            model: NetKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct WganConfig {
    model: NetKeys,
    learn: LearnKeys,
    guard: GameGuard,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    rate: f64,
    clamp: f64,
    critic_steps: u64,
    warm_steps: u64,
    warm_updates: u64,
    warm_every: u64,
}

impl LearnKeys {
    /// Updates of the critic before update number `update`, from 0, of the generator.
    fn steps_before(&self, update: u64) -> u64 {
        let warm =
            update < self.warm_updates || (self.warm_every > 0 && update.is_multiple_of(self.warm_every));
        if warm { self.warm_steps } else { self.critic_steps }
    }
}

impl Recipe for WganConfig {
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

impl WganConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<Wgan> {
        let rule = (Rule::RmsProp { decay: 0.99, eps: 1e-8 }, 0.0);
        let game = Game::new(&self.model, rule, rule, key, device)?;
        Ok(Wgan { game, config: self.clone(), updates: 0, waited: 0 })
    }
}

struct Wgan {
    game: Game,
    config: WganConfig,
    /// Updates of the generator.
    updates: u64,
    /// Updates of the critic since the last one.
    waited: u64,
}

impl Wgan {
    /// An update of the critic: f is large for observed images, small for generated ones. Returns its loss and the images.
    fn update_critic(&mut self, observed: &Tensor, z: &Tensor, rate: f64) -> Result<(f64, Tensor)> {
        let generated = self.game.generate(z)?.detach();
        let (critic, clamp) = (&mut self.game.discriminator, Some(self.config.learn.clamp));
        let loss = critic.contrast([observed, &generated], rate, clamp, |f, is_observed| {
            let mean = f.mean_all()?;
            if is_observed { Ok(mean.neg()?) } else { Ok(mean) }
        })?;
        Ok((loss, generated))
    }

    /// An update of the generator: f should be large for generated images.
    fn update_generator(&mut self, z: &Tensor, rate: f64) -> Result<f64> {
        let generated = self.game.generate(z)?;
        let Game { generator, discriminator: critic, .. } = &mut self.game;
        let f = critic.fixed(Uses::One)?;
        let loss = critic.forward(&f, &generated)?.mean_all()?.neg()?;
        generator.step(&generator.gradient(&loss)?, rate, None)?;
        scalar(&loss)
    }
}

impl Learner for Wgan {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let rate = self.config.learn.rate * at.rate_scale;
        let observed = Game::images(batch, at)?;
        let n = observed.dim(0)?;
        let z = self.game.latent(n, at, 0)?;
        let (loss, generated) = self.update_critic(&observed, &z, rate)?;
        self.waited += 1;
        let mut report = Report::default();
        if self.waited >= self.config.learn.steps_before(self.updates) {
            let z = self.game.latent(n, at, 1)?;
            report.say("generator.loss", self.update_generator(&z, rate)?);
            (self.updates, self.waited) = (self.updates + 1, 0);
        }
        report.say("discriminator.loss", loss);
        report.say("generator.updates", self.updates as f64);
        say_deviations(&mut report, &observed, &generated)?;
        Ok(report)
    }

    fn state(&self) -> Result<State> {
        let mut state = self.game.state()?;
        (state.json["updates"], state.json["waited"]) = (json!(self.updates), json!(self.waited));
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.updates = count(state, "updates")?;
        self.waited = count(state, "waited")?;
        self.game.restore(state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        self.game.artefact()
    }

    fn limits(&self) -> Vec<Limit> {
        self.config.guard.limits()
    }

    fn watched(&self) -> Vec<String> {
        vec!["discriminator.loss".into(), "generator.updates".into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, inputs, keys, prepare};

    fn learn() -> LearnKeys {
        LearnKeys {
            rate: 5e-5,
            clamp: 0.01,
            critic_steps: 5,
            warm_steps: 100,
            warm_updates: 25,
            warm_every: 500,
        }
    }

    #[test]
    fn an_update_is_pytorch_s() {
        let golden = Golden::read(include_str!("../golden/wgan.json"));
        let config = WganConfig { model: keys(4), learn: learn(), guard: GameGuard::default() };
        let mut wgan = config.nets(Key::new(0), &Device::Cpu).unwrap();
        prepare(&mut wgan.game, 0.01);
        let (observed, z) = inputs();
        golden.number("loss", wgan.update_critic(&observed, &z, 5e-5).unwrap().0);
        golden.number("generator_loss", wgan.update_generator(&z, 5e-5).unwrap());
        golden.game(&wgan.game);
    }

    #[test]
    fn the_critic_is_ahead_at_first_and_at_every_500th_update() {
        let steps = |update| learn().steps_before(update);
        assert_eq!([0, 24, 25, 499, 500, 501].map(steps), [100, 100, 5, 5, 100, 5]);
        assert_eq!(LearnKeys { warm_every: 0, ..learn() }.steps_before(500), 5);
    }
}
