use candle_core::Tensor;
use mg_energy::PrecisionKind;
use mg_kernels::{Activation, MapLayer, MapNet, MapShape, Norm};
use mg_model::Error;
use mg_random::Key;
use mg_train::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::max_pool::max_pool;
use crate::net_set::{FixedSet, NetSet, Shapes, output};
use crate::nets::checked_section;

/// Its keys, and those of virtual adversarial training.
pub(crate) const CLASSIFIER_KEYS: &str = include_str!("../keys/vat.toml");

/// `[model]` of classifiers from images [n, 3, s, s] to scores of K classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClassifierKeys {
    pub(crate) side: usize,
    pub(crate) net: Form,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) dropout: f64,
    pub(crate) precision: PrecisionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    FullyConnected,
    Convolutional,
}

const BATCH: Norm = Norm::Batch { eps: 1e-5 };
/// Slope below 0 in the convolutional net.
const LEAKY: Activation = Activation::LeakyRelu { slope: 0.1 };

impl ClassifierKeys {
    /// The section of a configuration.
    ///
    /// # Errors
    /// When a key is missing or out of range, or the side is not one that can be pooled twice.
    pub(crate) fn of_config(config: &Value) -> mg_model::Result<Self> {
        let keys: ClassifierKeys = checked_section(config, "model", &[CLASSIFIER_KEYS])?;
        let pools = keys.net == Form::Convolutional;
        if pools && (!keys.side.is_multiple_of(4) || keys.side < 12) {
            return Err(Error::value(
                "model.side",
                keys.side,
                "a multiple of 4, from 12 on, of a convolutional net",
            ));
        }
        Ok(keys)
    }

    /// The parts of the net; maps are pooled between them.
    pub(crate) fn parts(&self, classes: usize) -> Shapes {
        let parts = match self.net {
            Form::FullyConnected => vec![self.fully_connected(classes)],
            Form::Convolutional => self.convolutional(classes).to_vec(),
        };
        parts.into_iter().enumerate().map(|(number, part)| (format!("part{number}"), part)).collect()
    }

    /// Layers on all pixels at once, with batch norm and ReLU.
    fn fully_connected(&self, classes: usize) -> MapShape {
        let hidden = |from: usize, kernel: usize| {
            let layer = MapLayer::down((from, self.width), kernel, 1, (0, 0));
            layer.with_norm(BATCH).with_activation(Activation::RELU)
        };
        let mut layers = vec![hidden(3, self.side)];
        layers.extend((1..self.layers).map(|_| hidden(self.width, 1)));
        layers.push(MapLayer::down((self.width, classes), 1, 1, (0, 0)));
        MapShape { channels: 3, side: self.side, layers }
    }

    /// Conv-Large (Miyato et al., TPAMI 2018, table 7).
    fn convolutional(&self, classes: usize) -> [MapShape; 4] {
        let (narrow, side) = (self.width, self.side);
        let layer = |channels, kernel, pad| {
            MapLayer::down(channels, kernel, 1, (pad, pad)).with_norm(BATCH).with_activation(LEAKY)
        };
        let three = |from: usize, to: usize| {
            vec![layer((from, to), 3, 1), layer((to, to), 3, 1), layer((to, to), 3, 1)]
        };
        let last = vec![
            layer((2 * narrow, 4 * narrow), 3, 0),
            layer((4 * narrow, 2 * narrow), 1, 0),
            layer((2 * narrow, narrow), 1, 0),
        ];
        let scores = vec![MapLayer::down((narrow, classes), 1, 1, (0, 0)).with_norm(BATCH)];
        [
            MapShape { channels: 3, side, layers: three(3, narrow) },
            MapShape { channels: narrow, side: side / 2, layers: three(narrow, 2 * narrow) },
            MapShape { channels: 2 * narrow, side: side / 4, layers: last },
            MapShape { channels: narrow, side: 1, layers: scores },
        ]
    }
}

/// Scores [n, K] of images by way of the parts of a net, which `run` runs by number. After the first two of four the maps
/// are pooled and some of their values dropped; the last sees their means.
fn scores<E: From<candle_core::Error>>(
    images: &Tensor,
    parts: usize,
    dropout: Option<(f64, Key)>,
    mut run: impl FnMut(usize, &Tensor) -> Result<Tensor, E>,
) -> Result<Tensor, E> {
    let mut x = images.clone();
    for part in 0..parts {
        x = run(part, &x)?;
        match parts - part {
            1 => {}
            2 => x = x.mean_keepdim((2, 3))?,
            _ => {
                x = max_pool(&x)?;
                if let Some((rate, key)) = dropout.filter(|(rate, _)| *rate > 0.0) {
                    x = dropped(&x, rate, key.fold(part as u64))?;
                }
            }
        }
    }
    Ok(x.flatten_from(1)?)
}

/// A share of the values set to 0, and the others enlarged so that the mean stays.
fn dropped(x: &Tensor, rate: f64, key: Key) -> candle_core::Result<Tensor> {
    let mut kept = vec![0f32; x.elem_count()];
    key.fill_uniform(&mut kept);
    let scale = (1.0 / (1.0 - rate)) as f32;
    kept.iter_mut().for_each(|value| *value = if f64::from(*value) < rate { 0.0 } else { scale });
    x * Tensor::from_vec(kept, x.shape(), x.device())?
}

/// Scores [n, K] by parts that learn; `key` names what is dropped.
pub(crate) fn learned_scores(nets: &[MapNet], images: &Tensor, dropout: (f64, Key)) -> Result<Tensor> {
    scores(images, nets.len(), Some(dropout), |part, x| output(&nets[part], x))
}

/// The same, which also moves the running statistics.
pub(crate) fn observed_scores(
    set: &mut NetSet,
    nets: &[MapNet],
    images: &Tensor,
    dropout: (f64, Key),
) -> Result<Tensor> {
    scores(images, nets.len(), Some(dropout), |part, x| set.observe(part, nets, x))
}

/// Scores [n, K] of images that do not depend on each other, by parts that have learned.
pub(crate) fn fixed_scores(set: &FixedSet, images: &Tensor) -> mg_model::Result<Tensor> {
    scores(images, set.len(), None, |part, x| set.output(part, x))
}
