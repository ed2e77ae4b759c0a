#![allow(missing_docs, reason = "the comments of keys/nets.toml say what every key means")]

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_kernels::{Activation, MapLayer, MapShape, Norm};
use mg_langevin::ChainKey;
use mg_model::Error;
use mg_model::keys::KeyDoc;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::initial::Initial;

/// `[model]` of the methods with a generator and a discriminator.
pub(crate) const NET_KEYS: &str = include_str!("../keys/nets.toml");

/// How wide a discriminator is.
pub(crate) const DISCRIMINATOR_KEYS: &str = include_str!("../keys/discriminator.toml");

/// Where latent numbers come from.
pub(crate) const PRIOR_KEYS: &str = include_str!("../keys/prior.toml");

/// What discriminators are that are products of experts, beside how these learn.
pub(crate) const EXPERT_KEYS: &str = include_str!("../keys/deep-directed.toml");

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetKeys {
    pub(crate) side: usize,
    pub(crate) latent: usize,
    /// Of nets whose vectors are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prior: Option<Prior>,
    pub(crate) kernel: usize,
    pub(crate) generator_width: usize,
    /// Of methods with a discriminator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<usize>,
    pub(crate) initial: f64,
    /// Of methods whose discriminator is a product of experts.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub(crate) experts: Option<ExpertKeys>,
    pub(crate) precision: PrecisionKind,
}

/// An energy that is a product of experts (Kim and Bengio, 2016).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpertKeys {
    pub(crate) experts: usize,
    pub(crate) bias: f64,
}

/// Distributions of latent numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Prior {
    Uniform,
    Normal,
}

/// Channels of a discriminator's finest maps, where nothing is said.
const WIDTH: usize = 64;
/// Side of the maps that vectors become, or come from.
const SMALLEST: usize = 4;
const BATCH: Norm = Norm::Batch { eps: 1e-5 };
/// Slope of discriminators below 0.
const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

impl NetKeys {
    /// The section of a configuration.
    ///
    /// # Errors
    /// When a key is missing or out of range, or the side is not four times a power of two.
    pub(crate) fn of_config(config: &Value) -> mg_model::Result<Self> {
        let texts = [NET_KEYS, DISCRIMINATOR_KEYS, PRIOR_KEYS, EXPERT_KEYS];
        let keys: NetKeys = checked_section(config, "model", &texts)?;
        let halvings = keys.side / SMALLEST;
        if !keys.side.is_multiple_of(SMALLEST) || !halvings.is_power_of_two() || halvings < 2 {
            return Err(Error::value("model.side", keys.side, "8, 16, 32, 64, 128 or 256"));
        }
        Ok(keys)
    }

    /// Times that the side is halved down to the smallest maps.
    fn halvings(&self) -> usize {
        (self.side / SMALLEST).ilog2() as usize
    }

    /// Padding of strided convolutions, which halve a side; TensorFlow's of 5x5.
    fn padding(&self) -> (usize, usize) {
        if self.kernel == 5 { (1, 2) } else { (1, 1) }
    }

    /// The generator (Radford et al., ICLR 2016, figure 1): a fully connected layer to maps of 4x4, then transposed
    /// convolutions with stride 2; batch norm and ReLU after all but the last, which ends with tanh.
    pub(crate) fn generator(&self) -> MapShape {
        let halvings = self.halvings();
        let channels = |doublings: usize| self.generator_width << doublings;
        let hidden = |layer: MapLayer| layer.with_norm(BATCH).with_activation(Activation::RELU);
        let first = channels(halvings - 1);
        let mut layers = vec![hidden(MapLayer::up((self.latent, first), SMALLEST, 1, (0, 0), SMALLEST))];
        for up in 1..=halvings {
            let (from, side) = (channels(halvings - up), SMALLEST << up);
            let layer = |to: usize| MapLayer::up((from, to), self.kernel, 2, self.padding(), side);
            layers.push(match up == halvings {
                true => layer(3).without_bias().with_activation(Activation::Tanh),
                false => hidden(layer(channels(halvings - up - 1))),
            });
        }
        MapShape { channels: self.latent, side: 1, layers }
    }

    /// The net that judges images: a discriminator with one output, or an energy's experts.
    pub(crate) fn judge(&self) -> MapShape {
        self.experts.as_ref().map_or_else(|| self.discriminator(1), |keys| self.energy(keys.experts))
    }

    /// How weights begin.
    pub(crate) fn initial(&self) -> Initial {
        match &self.experts {
            Some(ExpertKeys { bias, .. }) => Initial::Biased(self.initial, *bias),
            None => Initial::Normal(self.initial),
        }
    }

    /// The energy of Kim and Bengio: convolutions with stride 2 down to maps of 4x4, biases and ReLU, tanh at the top; then a fully
    /// connected layer to the logits of experts.
    fn energy(&self, experts: usize) -> MapShape {
        let (mut layers, mut from) = (vec![], 3);
        for down in 1..=self.halvings() {
            let to = self.width.unwrap_or(WIDTH) << (down - 1);
            let top = down == self.halvings();
            let activation = if top { Activation::Tanh } else { Activation::RELU };
            layers
                .push(MapLayer::down((from, to), self.kernel, 2, self.padding()).with_activation(activation));
            from = to;
        }
        layers.push(MapLayer::down((from, experts), SMALLEST, 1, (0, 0)));
        MapShape { channels: 3, side: self.side, layers }
    }

    /// The discriminator: convolutions with stride 2 down to maps of 4x4, batch norm after all but the first, leaky ReLU;
    /// then a fully connected layer to `outputs` numbers, with biases where there are several.
    pub(crate) fn discriminator(&self, outputs: usize) -> MapShape {
        let (mut layers, mut from) = (vec![], 3);
        for down in 0..self.halvings() {
            let to = self.width.unwrap_or(WIDTH) << down;
            let layer = MapLayer::down((from, to), self.kernel, 2, self.padding()).with_activation(LEAKY);
            layers.push(if down == 0 { layer.without_bias() } else { layer.with_norm(BATCH) });
            from = to;
        }
        let last = MapLayer::down((from, outputs), SMALLEST, 1, (0, 0));
        layers.push(if outputs == 1 { last.without_bias() } else { last });
        MapShape { channels: 3, side: self.side, layers }
    }

    /// A net from images to images (Pathak et al., CVPR 2016): the discriminator's convolutions down to maps of 4x4, a fully
    /// connected layer to a vector of `bottleneck` numbers, and from there a generator.
    pub(crate) fn encoder(&self, bottleneck: usize) -> MapShape {
        let mut layers = self.discriminator(1).layers;
        layers.pop();
        let from = layers.last().map_or(3, |layer| layer.channels().1);
        let narrow = MapLayer::down((from, bottleneck), SMALLEST, 1, (0, 0));
        layers.push(narrow.with_norm(BATCH).with_activation(LEAKY));
        layers.extend(NetKeys { latent: bottleneck, ..self.clone() }.generator().layers);
        MapShape { channels: 3, side: self.side, layers }
    }

    /// Latent numbers of `n` images, [n, latent, 1, 1]; those of an image depend on its number alone.
    pub(crate) fn latent(&self, n: usize, key: ChainKey, device: &Device) -> candle_core::Result<Tensor> {
        let mut values = vec![0f32; n * self.latent];
        let first = (key.first * self.latent) as u64;
        match self.prior {
            Some(Prior::Uniform) => {
                key.key.fill_uniform_from(first, &mut values);
                values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
            }
            Some(Prior::Normal) | None => key.key.fill_normal_from(first, &mut values),
        }
        Tensor::from_vec(values, (n, self.latent, 1, 1), device)
    }
}

/// A section of a configuration that a model file may hold, where anything may stand: its keys are in the ranges that `texts`
/// say.
pub(crate) fn checked_section<T: for<'de> Deserialize<'de>>(
    config: &Value,
    name: &str,
    texts: &[&str],
) -> mg_model::Result<T> {
    for key in texts.iter().flat_map(|text| KeyDoc::parse(text)) {
        let own = key.name.split_once('.').filter(|(section, _)| *section == name);
        if let Some(value) = own.and_then(|(_, own)| config.get(name)?.get(own)) {
            key.check(value)?;
        }
    }
    section(config, name)
}

/// A section of a configuration whose keys are known to be in range.
pub(crate) fn section<T: for<'de> Deserialize<'de>>(config: &Value, name: &str) -> mg_model::Result<T> {
    serde_json::from_value(config.get(name).cloned().unwrap_or(Value::Null)).map_err(|_| {
        Error::Format(format!(
            "a key of the section [{name}] of its configuration is missing, or of another type"
        ))
    })
}
