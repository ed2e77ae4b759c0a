use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_langevin::ChainKey;
use mg_random::Key;
use mg_train::{At, Batch, Bound, Limit, Report, Result, State};
use serde::{Deserialize, Serialize};

use crate::net::{Net, Uses, scalar};
use crate::nets::NetKeys;
use crate::optimizer::Rule;
use crate::saved;

/// Two nets that learn from each other: a generator of images, and a discriminator (or critic, or energy) of them.
#[derive(Debug)]
pub(crate) struct Game {
    pub(crate) keys: NetKeys,
    pub(crate) generator: Net,
    pub(crate) discriminator: Net,
    device: Device,
}

/// `[guard]` of games.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GameGuard {
    pub(crate) max_loss: f64,
    pub(crate) max_sameness: f64,
}

/// Its keys.
pub(crate) const GAME_KEYS: &str = include_str!("../keys/game.toml");

impl Game {
    /// Nets before their first update.
    pub(crate) fn new(
        keys: &NetKeys,
        generator: (Rule, f64),
        discriminator: (Rule, f64),
        key: Key,
        device: &Device,
    ) -> Result<Self> {
        let precision = keys.precision.on(device);
        let (initial, key) = (keys.initial(), key.named("initial"));
        let net = |shape, rule, name| Net::new(&shape, precision, initial, rule, key.named(name), device);
        Ok(Game {
            generator: net(keys.generator(), generator, "generator")?,
            discriminator: net(keys.judge(), discriminator, "discriminator")?,
            keys: keys.clone(),
            device: device.clone(),
        })
    }

    /// The images of the whole batch: norms make a batch one thing, so learners that share it all learn from all of it.
    pub(crate) fn images(batch: &Batch, at: &At<'_>) -> Result<Tensor> {
        at.peers.gather(&batch.images)
    }

    /// Latent numbers of `n` images for draw number `draw` of an iteration, [n, latent, 1, 1].
    pub(crate) fn latent(&self, n: usize, at: &At<'_>, draw: u64) -> Result<Tensor> {
        let key = ChainKey::from(at.key.named("latent").fold(draw));
        Ok(self.keys.latent(n, key, &self.device)?)
    }

    /// Images from latent numbers, in candle's graph.
    pub(crate) fn generate(&mut self, z: &Tensor) -> Result<Tensor> {
        let net = self.generator.learning(Uses::One)?;
        self.generator.forward(&net, z)
    }

    fn nets(&self) -> [(&'static str, &Net); 2] {
        [("generator", &self.generator), ("discriminator", &self.discriminator)]
    }

    pub(crate) fn state(&self) -> Result<State> {
        saved::state(&self.nets())
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<()> {
        let nets = [("generator", &mut self.generator), ("discriminator", &mut self.discriminator)];
        saved::restore(&mut { nets }, state)
    }

    pub(crate) fn artefact(&self) -> Result<BTreeMap<String, Tensor>> {
        saved::model(&self.nets())
    }
}

/// Says how different images of a batch are from each other: the deviation of pixels over the batch.
pub(crate) fn say_deviations(report: &mut Report, observed: &Tensor, generated: &Tensor) -> Result<()> {
    for (name, images) in [("observed", observed), ("generated", generated)] {
        let images = images.detach();
        let centred = images.broadcast_sub(&images.mean_keepdim(0)?)?;
        report.say(format!("{name}.deviation"), scalar(&centred.sqr()?.mean_all()?)?.sqrt());
    }
    Ok(())
}

impl GameGuard {
    /// One net that has won, so that the other learns nothing more, and a generator that makes one image of everything.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let limit = |value: &str, bound| Limit { value: value.into(), bound };
        let sameness =
            Bound::Times { times: self.max_sameness, of: "generated.deviation".into(), least: 1e-3 };
        vec![
            limit("discriminator.loss", Bound::Size(self.max_loss)),
            limit("generator.loss", Bound::Size(self.max_loss)),
            limit("observed.deviation", sameness),
        ]
    }
}
