//! ContextEncoder (Pathak, Krähenbühl, Donahue, Darrell and Efros, "Context encoders: feature learning by inpainting", CVPR
//! 2016), for squares at random places.
//!
//! A net sees an image with a square hidden, narrows it to a vector and makes the whole image of that. It learns by the squared
//! error, and a little by a discriminator that learns to tell what it makes from observed images.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_pyramid::Mask;
use mg_random::Key;
use mg_train::{At, Batch, Bound, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::game::Game;
use crate::initial::Initial;
use crate::losses::cross_entropy;
use crate::net::{Net, Uses, scalar};
use crate::nets::{DISCRIMINATOR_KEYS, NET_KEYS, NetKeys, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::saved;

/// ContextEncoder.
pub const METHOD: Method = Method {
    name: "context-encoder",
    summary: "a net that fills in hidden squares (Pathak et al., 2016)",
    keys: &[NET_KEYS, DISCRIMINATOR_KEYS, include_str!("../keys/context-encoder.toml")],
    presets: &[Preset {
        name: "context-encoder",
        summary: "ContextEncoder with its authors' settings for random squares",
        text: include_str!("../presets/context-encoder.toml"),
    }],
    kind: &crate::encoder::KIND,
    read: |values| {
        let config = ContextEncoderConfig {
            model: NetKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        };
        let (hidden, side) = (config.learn.hidden_square, config.model.side);
        if hidden > side {
            return Err(
                mg_model::Error::value("learn.hidden_square", hidden, format!("at most {side}")).into()
            );
        }
        Ok(configured(config))
    },
};

#[derive(Clone, Debug)]
struct ContextEncoderConfig {
    model: NetKeys,
    learn: LearnKeys,
    guard: GuardKeys,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    rate: f64,
    discriminator_rate: f64,
    beta1: f64,
    beta2: f64,
    squares: f64,
    hidden_square: usize,
}

/// `[guard]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct GuardKeys {
    max_loss: f64,
}

impl Recipe for ContextEncoderConfig {
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

impl ContextEncoderConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<ContextEncoder> {
        let LearnKeys { beta1, beta2, .. } = self.learn;
        let (rule, model) = ((Rule::Adam { beta1, beta2, eps: 1e-8 }, 0.0), &self.model);
        let (precision, key) = (model.precision.on(device), key.named("initial"));
        let net = |shape, name| {
            Net::new(&shape, precision, Initial::Normal(model.initial), rule, key.named(name), device)
        };
        Ok(ContextEncoder {
            encoder: net(model.encoder(model.latent), "encoder")?,
            discriminator: net(model.discriminator(1), "discriminator")?,
            config: self.clone(),
            shown: None,
        })
    }
}

struct ContextEncoder {
    /// From images with hidden pixels to whole ones.
    encoder: Net,
    discriminator: Net,
    config: ContextEncoderConfig,
    /// Images of the last step with their squares hidden, and what the net made of them.
    shown: Option<[Tensor; 2]>,
}

impl ContextEncoder {
    fn nets(&self) -> [(&'static str, &Net); 2] {
        [("encoder", &self.encoder), ("discriminator", &self.discriminator)]
    }

    /// One update of each net from observed images [n, 3, s, s] and where they are known, [n, 1, s, s] of ones and zeros.
    fn update(&mut self, observed: &Tensor, known: &Tensor, scale: f64) -> Result<Report> {
        let visible = observed.broadcast_mul(known)?;
        let net = self.encoder.learning(Uses::One)?;
        let made = self.encoder.forward(&net, &visible)?;
        let mut report = Report::default();
        report.say("discriminator.loss", self.update_discriminator(observed, &made.detach(), scale)?);
        // The net: close to what was there, and taken for observed.
        let learn = &self.config.learn;
        let squares = (&made - observed)?.sqr()?.mean_all()?;
        let judged = self.discriminator.forward(&self.discriminator.fixed(Uses::One)?, &made)?;
        let loss = ((&squares * learn.squares)? + (cross_entropy(&judged, 1.0)? * (1.0 - learn.squares))?)?;
        self.encoder.step(&self.encoder.gradient(&loss)?, scale * learn.rate, None)?;
        report.say("encoder.loss", scalar(&loss)?);
        report.say("encoder.squares", scalar(&squares)?);
        self.shown = Some([visible, made.detach()]);
        Ok(report)
    }

    /// Observed images should be taken for ones, those made for zeros.
    fn update_discriminator(&mut self, observed: &Tensor, made: &Tensor, scale: f64) -> Result<f64> {
        let rate = scale * self.config.learn.discriminator_rate;
        self.discriminator.contrast([observed, made], rate, None, |judged, is_observed| {
            Ok(cross_entropy(judged, f64::from(u8::from(is_observed)))?)
        })
    }
}

impl Learner for ContextEncoder {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let observed = Game::images(batch, at)?;
        let (n, side) = (observed.dim(0)?, self.config.model.side);
        let (hidden, key) = (self.config.learn.hidden_square, batch.key.named("mask"));
        let masks = (0..n as u64).map(|i| Mask::random_square(side, hidden, key.fold(i)));
        let masks = masks.collect::<mg_pyramid::Result<Vec<_>>>()?;
        let known = Mask::observed_tensor(&masks, observed.device(), observed.dtype())?;
        self.update(&observed, &known, at.rate_scale)
    }

    fn state(&self) -> Result<State> {
        saved::state(&self.nets())
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let nets = [("encoder", &mut self.encoder), ("discriminator", &mut self.discriminator)];
        saved::restore(&mut { nets }, state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        saved::model(&self.nets())
    }

    /// What was seen and what was made of it, in the last step.
    fn sheet(&self, n: usize, _key: Key) -> Result<Option<Vec<Tensor>>> {
        let first = |images: &Tensor| images.narrow(0, 0, n.min(images.dim(0)?));
        let shown = self.shown.iter().flatten().map(first);
        let shown = shown.collect::<candle_core::Result<Vec<_>>>()?;
        Ok((!shown.is_empty()).then_some(shown))
    }

    fn limits(&self) -> Vec<Limit> {
        let limit = |name: &str| Limit { value: name.into(), bound: Bound::Size(self.config.guard.max_loss) };
        vec![limit("encoder.loss"), limit("discriminator.loss")]
    }

    fn watched(&self) -> Vec<String> {
        vec!["encoder.squares".into(), "discriminator.loss".into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, inputs, keys, set};

    #[test]
    fn an_update_is_pytorch_s() {
        let golden = Golden::read(include_str!("../golden/context-encoder.json"));
        let (rate, discriminator_rate, beta1, beta2) = (2e-3, 2e-4, 0.5, 0.999);
        let learn = LearnKeys { rate, discriminator_rate, beta1, beta2, squares: 0.9, hidden_square: 8 };
        let config = ContextEncoderConfig { model: keys(4), learn, guard: GuardKeys { max_loss: 50.0 } };
        let mut nets = config.nets(Key::new(0), &Device::Cpu).unwrap();
        let model = &nets.config.model.clone();
        set(&mut nets.encoder, &model.encoder(model.latent), 0.0, f32::INFINITY);
        set(&mut nets.discriminator, &model.discriminator(1), 100.0, f32::INFINITY);
        let (observed, _) = inputs();
        let mask = Mask::square(model.side, 8, 3, 5).unwrap();
        let known = Mask::observed_tensor(&vec![mask; 6], &Device::Cpu, observed.dtype()).unwrap();
        let report = nets.update(&observed, &known, 1.0).unwrap();
        golden.number("loss", report.values["discriminator.loss"]);
        golden.number("encoder_loss", report.values["encoder.loss"]);
        golden.tensor("encoder", nets.encoder.parameters());
        golden.tensor("discriminator", nets.discriminator.parameters());
    }
}
