//! Virtual adversarial training (Miyato, Maeda, Koyama, Nakae and Ishii, "Distributional smoothing with virtual adversarial
//! training", ICLR 2016; Miyato, Maeda, Koyama and Ishii, TPAMI 2018).
//!
//! A classifier learns from few labels, and to say of every image, labelled or not, what it says of its most harmful close
//! neighbour. That neighbour lies in the direction r in which KL(p(. given x) || p(. given x + r)) grows most, the first
//! eigenvector of its Hessian, which a power iteration finds from gradients at a short random r.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use mg_energy::PrecisionKind;
use mg_langevin::ChainKey;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::classifier_net::{CLASSIFIER_KEYS, ClassifierKeys, learned_scores, observed_scores};
use crate::few_labels::{FewLabels, LABEL_KEYS, LabelKeys, LossGuard};
use crate::game::Game;
use crate::initial::Initial;
use crate::losses::{accuracy, choice_entropy, choice_loss, divergence};
use crate::net::scalar;
use crate::net_set::NetSet;
use crate::nets::section;
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};

/// Virtual adversarial training.
pub const METHOD: Method = Method {
    name: "vat",
    summary: "a classifier that says the same of an image and of its most harmful neighbour (Miyato et al., 2016)",
    keys: &[CLASSIFIER_KEYS, LABEL_KEYS],
    presets: &[
        Preset {
            name: "vat",
            summary: "virtual adversarial training of a fully connected net",
            text: include_str!("../presets/vat.toml"),
        },
        Preset {
            name: "vat-conv",
            summary: "virtual adversarial training of a convolutional net",
            text: include_str!("../presets/vat-conv.toml"),
        },
    ],
    kind: &crate::classifier::KIND,
    read: |values| {
        Ok(configured(VatConfig {
            model: ClassifierKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct VatConfig {
    model: ClassifierKeys,
    learn: LearnKeys,
    guard: LossGuard,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    #[serde(flatten)]
    labels: LabelKeys,
    rate: f64,
    beta1: f64,
    late_beta1: f64,
    beta2: f64,
    falls_after: u64,
    falls_for: u64,
    distance: f64,
    probe: f64,
    powers: u32,
    smoothness: f64,
    entropy: f64,
}

impl Recipe for VatConfig {
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
        let labels = FewLabels::draw(&self.learn.labels, from)?;
        let net = self.net(labels.classes().len(), from.key, from.device)?;
        Ok(Box::new(Vat { net, labels, config: self.clone() }))
    }
}

impl VatConfig {
    fn net(&self, classes: usize, key: Key, device: &Device) -> Result<NetSet> {
        let rule = (self.learn.schedule(0).1, 0.0);
        let (parts, precision) = (self.model.parts(classes), self.model.precision.on(device));
        NetSet::new(parts, precision, |_| Initial::Scaled, rule, key, device)
    }
}

impl LearnKeys {
    /// The step size of iteration `t`, and the rule it is for.
    fn schedule(&self, t: u64) -> (f64, Rule) {
        let fallen = t.saturating_sub(self.falls_after) as f64 / self.falls_for as f64;
        let beta1 = if fallen > 0.0 { self.late_beta1 } else { self.beta1 };
        (self.rate * (1.0 - fallen).max(0.0), Rule::Adam { beta1, beta2: self.beta2, eps: 1e-8 })
    }
}

struct Vat {
    net: NetSet,
    labels: FewLabels,
    config: VatConfig,
}

impl VatConfig {
    /// One update of a net from labelled images and from others, whose neighbours are looked for from random numbers
    /// `direction` on; all images are [n, 3, s, s], labels [n, K].
    fn update(
        &self,
        net: &mut NetSet,
        (labelled, labels): (&Tensor, &Tensor),
        others: Option<(&Tensor, &Tensor)>,
        (rate, rule): (f64, Rule),
        key: Key,
    ) -> Result<Report> {
        let nets = net.learning()?;
        let dropout = |name: &str| (self.model.dropout, key.named(name));
        let mut report = Report::default();
        let said = observed_scores(net, &nets, labelled, dropout("labelled"))?;
        let mut loss = choice_loss(&said, labels)?;
        let mut total = scalar(&loss)?;
        report.say("cross_entropy", total);
        report.say("accuracy", scalar(&accuracy(&said, labels)?)?);
        let mut gradient = net.gradient(&loss)?;
        if let Some((images, direction)) = others {
            let said = learned_scores(&nets, images, dropout("others"))?;
            let neighbours = self.neighbours(net, images, &said.detach(), direction, key)?;
            let of_neighbours = learned_scores(&nets, &neighbours, dropout("neighbours"))?;
            let roughness = divergence(&said.detach(), &of_neighbours)?;
            let entropy = choice_entropy(&said)?;
            report.say("roughness", scalar(&roughness)?);
            report.say("entropy", scalar(&entropy)?);
            loss = ((roughness * self.learn.smoothness)? + (entropy * self.learn.entropy)?)?;
            total += scalar(&loss)?;
            let more = net.gradient(&loss)?;
            gradient = gradient.iter().zip(&more).map(|(a, b)| a + b).collect::<candle_core::Result<_>>()?;
        }
        report.say("loss", total);
        net.set_rule(rule);
        net.step(&gradient, rate)?;
        Ok(report)
    }

    /// The most harmful neighbours of images of which `said` is said, at the configured distance.
    fn neighbours(
        &self,
        net: &NetSet,
        images: &Tensor,
        said: &Tensor,
        direction: &Tensor,
        key: Key,
    ) -> Result<Tensor> {
        let (nets, mut direction) = (net.fixed()?, normalised(direction)?);
        for power in 0..self.learn.powers {
            let short = Var::from_tensor(&(direction * self.learn.probe)?)?;
            let near = (images + short.as_tensor())?;
            let of_near =
                learned_scores(&nets, &near, (self.model.dropout, key.named("power").fold(power.into())))?;
            let gradients = divergence(said, &of_near)?.backward()?;
            direction = normalised(gradients.get(&short).unwrap_or(&images.zeros_like()?))?;
        }
        Ok((images + (direction * self.learn.distance)?)?)
    }
}

/// Images of length 1, each; those of no length stay.
fn normalised(images: &Tensor) -> candle_core::Result<Tensor> {
    // First by the largest pixel: the squares of small gradients are none.
    let largest = (images.abs()?.flatten_from(1)?.max_keepdim(1)? + f64::from(f32::MIN_POSITIVE))?;
    let images = images.broadcast_div(&largest.reshape(((), 1, 1, 1))?)?;
    let length = (images.sqr()?.flatten_from(1)?.sum_keepdim(1)?.sqrt()? + 1e-12)?;
    images.broadcast_div(&length.reshape(((), 1, 1, 1))?)
}

impl Learner for Vat {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let (labelled, labels) = self.labels.batch(at.t)?;
        let others = match self.config.learn.labels.supervised {
            true => None,
            false => {
                let images = Game::images(batch, at)?;
                let direction = ChainKey::from(at.key.named("direction")).normal_like(&images)?;
                Some((images, direction))
            }
        };
        let others = others.as_ref().map(|(images, direction)| (images, direction));
        let (rate, rule) = self.config.learn.schedule(at.t);
        let (rate, key) = (rate * at.rate_scale, at.key.named("dropout"));
        self.config.update(&mut self.net, (&labelled, &labels), others, (rate, rule), key)
    }

    fn state(&self) -> Result<State> {
        self.net.state()
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.net.restore(state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        self.net.artefact()
    }

    fn categories(&self) -> Vec<String> {
        self.labels.classes().to_vec()
    }

    fn limits(&self) -> Vec<Limit> {
        self.config.guard.limits()
    }

    fn watched(&self) -> Vec<String> {
        vec!["cross_entropy".into(), "roughness".into()]
    }
}

#[cfg(test)]
mod tests;
