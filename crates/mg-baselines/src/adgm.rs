//! The auxiliary deep generative model (Maaloe, Sonderby, Sonderby and Winther, "Auxiliary deep generative models", ICML 2016).
//!
//! An image x of class y is made of a vector z, and an auxiliary vector a is made of all three. Nets q(a | x), q(y | a, x) and
//! q(z | a, y, x) go the other way. Images with labels raise a bound on log p(x, y), images without one on log p(x), in which
//! every class is tried and weighed by what q says of it. With a, q(z | x, y) and q(y | x) are mixtures, not normal
//! distributions and not one opinion.

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_kernels::{Activation, Norm};
use mg_model::{Artefact, Kind, Model};
use mg_random::Key;
use mg_train::{At, Learner, Method, Preset, Report, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::coding::{CODING_KEYS, CodingKeys};
use crate::few_labels::{LABEL_KEYS, LabelKeys, LossGuard};
use crate::initial::Initial;
use crate::losses::{accuracy, choice_loss};
use crate::net::scalar;
use crate::net_set::{FixedSet, NetSet, Shapes, limited};
use crate::nets::{checked_section, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::vector_learner::{Noise, Pass, VectorLearner, VectorMethod};
use crate::vector_model::{VectorKind, VectorModel};
use crate::vectors::{Normal, beside, every_class, marginal, mlp};

/// Its keys, beside those of codings and of few labels.
const KEYS: &str = include_str!("../keys/adgm.toml");

/// The auxiliary deep generative model.
pub const METHOD: Method = Method {
    name: "adgm",
    summary: "a deep generative model of images and classes with auxiliary variables (Maaloe et al., 2016)",
    keys: &[CODING_KEYS, KEYS, LABEL_KEYS],
    presets: &[Preset {
        name: "adgm",
        summary: "the auxiliary deep generative model with its authors' settings",
        text: include_str!("../presets/adgm.toml"),
    }],
    kind: &KIND,
    read: |values| {
        Ok(configured(AdgmConfig {
            model: ModelKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

/// Auxiliary deep generative models.
pub const KIND: Kind = Kind { name: "adgm", open };

#[derive(Clone, Debug)]
struct AdgmConfig {
    model: ModelKeys,
    learn: LearnKeys,
    guard: LossGuard,
}

/// `[model]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ModelKeys {
    #[serde(flatten)]
    coding: CodingKeys,
    latent: usize,
    auxiliary: usize,
    width: usize,
    layers: usize,
    precision: PrecisionKind,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    #[serde(flatten)]
    labels: LabelKeys,
    rate: f64,
    decay: f64,
    decay_passes: f64,
    least_rate: f64,
    beta1: f64,
    beta2: f64,
    samples: usize,
    classification: f64,
    prior: f64,
    max_norm: f64,
    max_gradient: f64,
}

/// The numbers of the nets: of q(a | x), q(y | a, x), q(z | a, y, x), p(a | x, y, z) and p(x | y, z).
const QA: usize = 0;
const QY: usize = 1;
const QZ: usize = 2;
const PA: usize = 3;
const PX: usize = 4;

impl ModelKeys {
    fn of_config(config: &Value) -> mg_model::Result<Self> {
        let keys: ModelKeys = checked_section(config, "model", &[CODING_KEYS, KEYS])?;
        keys.coding.check()?;
        Ok(keys)
    }

    fn shapes(&self, classes: usize) -> Shapes {
        let (x, a, z, y) = (self.coding.numbers(), self.auxiliary, self.latent, classes);
        let net = |name: &str, ends: (usize, usize)| {
            let norm = Norm::Batch { eps: 1e-5 };
            (name.to_owned(), mlp(ends, (self.width, self.layers), norm, Activation::RELU))
        };
        vec![
            net("qa", (x, 2 * a)),
            net("qy", (a + x, y)),
            net("qz", (a + y + x, 2 * z)),
            net("pa", (x + y + z, 2 * a)),
            net("px", (y + z, self.coding.outputs())),
        ]
    }
}

impl Recipe for AdgmConfig {
    fn side(&self) -> usize {
        self.model.coding.side
    }

    fn precision(&self) -> PrecisionKind {
        self.model.precision
    }

    fn values(&self) -> Value {
        json!({ "model": self.model, "learn": self.learn, "guard": self.guard })
    }

    fn start(&self, from: &Beginning<'_>) -> Result<Box<dyn Learner>> {
        let shared = (&self.model.coding, &self.learn.labels, &self.guard);
        let nets = |classes| self.nets(classes, from.class.data.len(), from.key, from.device);
        VectorLearner::start(self.clone(), shared, nets, from)
    }
}

impl AdgmConfig {
    /// Nets that have learned nothing, of so many classes, for a set of `images` images.
    fn nets(&self, classes: usize, images: u64, key: Key, device: &Device) -> Result<NetSet> {
        let LearnKeys { beta1, beta2, prior, .. } = self.learn;
        let rule = (Rule::Adam { beta1, beta2, eps: 1e-8 }, prior / images as f64);
        let precision = self.model.precision.on(device);
        NetSet::new(self.model.shapes(classes), precision, |_| Initial::Scaled, rule, key, device)
    }

    /// The step size after `passes` passes.
    fn rate(&self, passes: f64) -> f64 {
        let learn = &self.learn;
        let decayed = learn.rate * learn.decay.powf((passes / learn.decay_passes).floor());
        decayed.max(learn.least_rate.min(learn.rate))
    }
}

/// A draw of a for every row: its distribution, the draw, and what is said of classes given it.
struct Auxiliary {
    q: Normal,
    a: Tensor,
    said: Tensor,
}

/// The auxiliary vectors of rows x [n, .], drawn as often as there is noise [S n, .].
fn auxiliary(pass: &mut Pass<'_>, x: &Tensor, noise: &Tensor) -> Result<Auxiliary> {
    let samples = noise.dim(0)? / x.dim(0)?;
    let q = Normal::of(&pass.net(QA, &[x])?)?.repeat(samples)?;
    let a = q.draw(noise)?;
    let said = pass.net(QY, &[&a, &x.repeat((samples, 1))?])?;
    Ok(Auxiliary { q, a, said })
}

/// Bounds on log p(x, y), up to log p(y), [n]: of rows x, y and draws a from `q`.
fn bound(
    pass: &mut Pass<'_>,
    x: &Tensor,
    y: &Tensor,
    (q, a): (&Normal, &Tensor),
    noise: &Tensor,
) -> Result<Tensor> {
    let qz = Normal::of(&pass.net(QZ, &[a, y, x])?)?;
    let z = qz.draw(noise)?;
    let pa = Normal::of(&pass.net(PA, &[x, y, &z])?)?;
    let px = pass.net(PX, &[y, &z])?;
    let made = pass.coding.log_likelihood(&px, x)?;
    Ok((((made + pa.log_density(a)?)? + q.entropy()?)? - qz.divergence()?)?)
}

impl VectorMethod for AdgmConfig {
    fn draws(&self) -> (usize, [usize; 2]) {
        (self.learn.samples, [self.model.auxiliary, self.model.latent])
    }

    fn loss(
        &self,
        pass: &mut Pass<'_>,
        (x, y, Noise([noise_a, noise_z])): (&Tensor, &Tensor, &Noise),
        others: Option<(&Tensor, &Noise)>,
        report: &mut Report,
    ) -> Result<Tensor> {
        let Auxiliary { q, a, said } = auxiliary(pass, x, noise_a)?;
        let samples = a.dim(0)? / x.dim(0)?;
        let (x, y) = (x.repeat((samples, 1))?, y.repeat((samples, 1))?);
        let cross_entropy = choice_loss(&said, &y)?;
        report.say("cross_entropy", scalar(&cross_entropy)?);
        report.say("accuracy", scalar(&accuracy(&said, &y)?)?);
        let Some((others, Noise([noise_a, noise_of_others]))) = others else { return Ok(cross_entropy) };
        let labelled = bound(pass, &x, &y, (&q, &a), noise_z)?.mean_all()?;
        report.say("labelled_bound", scalar(&labelled)?);
        // The others: every class, weighed by what is said of it.
        let Auxiliary { q, a, said } = auxiliary(pass, others, noise_a)?;
        let (rows, classes) = (a.dim(0)?, y.dim(1)?);
        let x = others.repeat((classes * rows / others.dim(0)?, 1))?;
        let (q, a) = (q.repeat(classes)?, a.repeat((classes, 1))?);
        let bounds = bound(pass, &x, &every_class(rows, classes, &x)?, (&q, &a), noise_of_others)?;
        let unlabelled = marginal(&bounds, &said)?.mean_all()?;
        report.say("bound", scalar(&unlabelled)?);
        let weighed = (cross_entropy * (self.learn.classification * pass.images_per_label))?;
        Ok(((weighed - labelled)? - unlabelled)?)
    }

    fn step(&self, nets: &mut NetSet, gradient: Vec<Tensor>, at: &At<'_>) -> Result<()> {
        let gradient = limited(&gradient, self.learn.max_norm, self.learn.max_gradient)?;
        nets.step(&gradient, self.rate(at.passes) * at.rate_scale)
    }

    fn watched(&self) -> [&'static str; 2] {
        ["cross_entropy", "bound"]
    }
}

fn open(artefact: Artefact, device: &Device) -> mg_model::Result<Box<dyn Model>> {
    let keys = ModelKeys::of_config(&artefact.header.config)?;
    let kind = VectorKind { scores, outputs, latent: keys.latent };
    let (shapes, precision) = (keys.shapes(artefact.header.categories.len()), keys.precision.on(device));
    VectorModel::open(artefact, kind, &keys.coding, (shapes, precision), device)
}

/// What is said of the classes of rows, given the mean of a.
fn scores(nets: &FixedSet, x: &Tensor) -> mg_model::Result<Tensor> {
    let a = Normal::of(&nets.output(QA, &beside(&[x])?)?)?.mean;
    nets.output(QY, &beside(&[&a, x])?)
}

/// What is said of rows, of their classes and z.
fn outputs(nets: &FixedSet, y: &Tensor, z: &Tensor) -> mg_model::Result<Tensor> {
    nets.output(PX, &beside(&[y, z])?)
}

#[cfg(test)]
mod tests;
