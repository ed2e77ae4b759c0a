//! The deep generative model M1+M2 (Kingma, Rezende, Mohamed and Welling, "Semi-supervised learning with deep generative models",
//! NIPS 2014).
//!
//! M1 is a variational auto-encoder: of an image x it makes a short vector z1, and x of that. M2 takes z1 for its data: it makes it of a
//! class y and a vector z2. Where the class is known it raises a bound on log p(z1, y), elsewhere one on log p(z1), in which
//! every class is tried and weighed by what q(y | z1) says of it.

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
use crate::net_set::{FixedSet, NetSet, Shapes};
use crate::nets::{checked_section, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::vector_learner::{Noise, Pass, VectorLearner, VectorMethod};
use crate::vector_model::{VectorKind, VectorModel};
use crate::vectors::{Normal, beside, every_class, marginal, mlp};

/// Its keys, beside those of codings and of few labels.
const KEYS: &str = include_str!("../keys/dgn.toml");

/// The deep generative model.
pub const METHOD: Method = Method {
    name: "dgn",
    summary: "a deep generative model of images and, on what it makes of them, of classes (Kingma et al., 2014)",
    keys: &[CODING_KEYS, KEYS, LABEL_KEYS],
    presets: &[Preset {
        name: "dgn",
        summary: "the deep generative model M1+M2 with its authors' settings",
        text: include_str!("../presets/dgn.toml"),
    }],
    kind: &KIND,
    read: |values| {
        Ok(configured(DgnConfig {
            model: ModelKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

/// Deep generative models M1+M2.
pub const KIND: Kind = Kind { name: "dgn", open };

#[derive(Clone, Debug)]
struct DgnConfig {
    model: ModelKeys,
    learn: LearnKeys,
    guard: LossGuard,
}

/// `[model]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ModelKeys {
    #[serde(flatten)]
    coding: CodingKeys,
    features: usize,
    latent: usize,
    width: usize,
    layers: usize,
    first_initial: f64,
    initial: f64,
    precision: PrecisionKind,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    #[serde(flatten)]
    labels: LabelKeys,
    rate: f64,
    beta1: f64,
    beta2: f64,
    classification: f64,
}

/// The numbers of the nets: M1's q(z1 | x) and p(x | z1), M2's q(y | z1), q(z2 | z1, y) and p(z1 | y, z2).
const Q1: usize = 0;
const PX: usize = 1;
const QY: usize = 2;
const Q2: usize = 3;
const P1: usize = 4;

impl ModelKeys {
    fn of_config(config: &Value) -> mg_model::Result<Self> {
        let keys: ModelKeys = checked_section(config, "model", &[CODING_KEYS, KEYS])?;
        keys.coding.check()?;
        Ok(keys)
    }

    fn shapes(&self, classes: usize) -> Shapes {
        let (x, z1, z2, y) = (self.coding.numbers(), self.features, self.latent, classes);
        let net = |name: &str, layers: usize, ends: (usize, usize)| {
            (name.to_owned(), mlp(ends, (self.width, layers), Norm::None, Activation::Softplus))
        };
        vec![
            net("q1", self.layers, (x, 2 * z1)),
            net("px", self.layers, (z1, self.coding.outputs())),
            net("qy", 1, (z1, y)),
            net("q2", 1, (z1 + y, 2 * z2)),
            net("p1", 1, (y + z2, 2 * z1)),
        ]
    }
}

impl Recipe for DgnConfig {
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
        VectorLearner::start(self.clone(), shared, |classes| self.nets(classes, from.key, from.device), from)
    }
}

impl DgnConfig {
    fn nets(&self, classes: usize, key: Key, device: &Device) -> Result<NetSet> {
        let LearnKeys { beta1, beta2, .. } = self.learn;
        let rule = (Rule::Adam { beta1, beta2, eps: 1e-8 }, 0.0);
        let initial = |name: &str| match name {
            "q1" | "px" => Initial::ScaledBelow(self.model.first_initial),
            _ => Initial::Normal(self.model.initial),
        };
        let precision = self.model.precision.on(device);
        NetSet::new(self.model.shapes(classes), precision, initial, rule, key, device)
    }
}

/// Bounds on log p(z1, y), up to log p(y), [n].
fn bound(pass: &mut Pass<'_>, z1: &Tensor, y: &Tensor, noise: &Tensor) -> Result<Tensor> {
    let q2 = Normal::of(&pass.net(Q2, &[z1, y])?)?;
    let p1 = Normal::of(&pass.net(P1, &[y, &q2.draw(noise)?])?)?;
    Ok((p1.log_density(z1)? - q2.divergence()?)?)
}

impl VectorMethod for DgnConfig {
    fn draws(&self) -> (usize, [usize; 2]) {
        (1, [self.model.features, self.model.latent])
    }

    fn loss(
        &self,
        pass: &mut Pass<'_>,
        (x, y, Noise([noise_1, noise_2])): (&Tensor, &Tensor, &Noise),
        others: Option<(&Tensor, &Noise)>,
        report: &mut Report,
    ) -> Result<Tensor> {
        let q1 = Normal::of(&pass.net(Q1, &[x])?)?;
        // The supervised net of the same structure is M1's way in and M2's opinion; else M2 learns from what M1 draws.
        let z1 = if others.is_some() { q1.draw(noise_1)?.detach() } else { q1.mean.clone() };
        let said = pass.net(QY, &[&z1])?;
        let cross_entropy = choice_loss(&said, y)?;
        report.say("cross_entropy", scalar(&cross_entropy)?);
        report.say("accuracy", scalar(&accuracy(&said, y)?)?);
        let Some((others, Noise([noise_1, noise_of_others]))) = others else { return Ok(cross_entropy) };
        let labelled = bound(pass, &z1, y, noise_2)?.mean_all()?;
        report.say("labelled_bound", scalar(&labelled)?);
        // M1.
        let q1 = Normal::of(&pass.net(Q1, &[others])?)?;
        let z1 = q1.draw(noise_1)?;
        let px = pass.net(PX, &[&z1])?;
        let first = (pass.coding.log_likelihood(&px, others)? - q1.divergence()?)?.mean_all()?;
        report.say("first_bound", scalar(&first)?);
        // M2: every class, weighed by what is said of it.
        let z1 = z1.detach();
        let (n, classes) = (others.dim(0)?, y.dim(1)?);
        let every = every_class(n, classes, y)?;
        let bounds = bound(pass, &z1.repeat((classes, 1))?, &every, noise_of_others)?;
        let second = marginal(&bounds, &pass.net(QY, &[&z1])?)?.mean_all()?;
        report.say("bound", scalar(&second)?);
        let weighed = (cross_entropy * (self.learn.classification * pass.images_per_label))?;
        Ok((((weighed - first)? - labelled)? - second)?)
    }

    fn step(&self, nets: &mut NetSet, gradient: Vec<Tensor>, at: &At<'_>) -> Result<()> {
        nets.step(&gradient, self.learn.rate * at.rate_scale)
    }

    fn watched(&self) -> [&'static str; 2] {
        ["first_bound", "bound"]
    }
}

fn open(artefact: Artefact, device: &Device) -> mg_model::Result<Box<dyn Model>> {
    let keys = ModelKeys::of_config(&artefact.header.config)?;
    let kind = VectorKind { scores, outputs, latent: keys.latent };
    let (shapes, precision) = (keys.shapes(artefact.header.categories.len()), keys.precision.on(device));
    VectorModel::open(artefact, kind, &keys.coding, (shapes, precision), device)
}

/// What is said of the classes of rows, given the mean of z1.
fn scores(nets: &FixedSet, x: &Tensor) -> mg_model::Result<Tensor> {
    let z1 = Normal::of(&nets.output(Q1, &beside(&[x])?)?)?.mean;
    nets.output(QY, &beside(&[&z1])?)
}

/// What is said of rows, of their classes and z2.
fn outputs(nets: &FixedSet, y: &Tensor, z2: &Tensor) -> mg_model::Result<Tensor> {
    let z1 = Normal::of(&nets.output(P1, &beside(&[y, z2])?)?)?.mean;
    nets.output(PX, &beside(&[&z1])?)
}

#[cfg(test)]
mod tests;
