//! Cooperative learning: equation (11) of the paper (Xie, Lu, Gao, Zhu and Wu, "Cooperative training of descriptor and generator
//! networks", TPAMI 2018).
//!
//! The generator's images are where chains begin, and a few Langevin steps on the energy revise them. The energy learns from
//! observed images and where the chains ended; the generator learns to make those ends from the same latent numbers, and so
//! takes over what the chains did.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::{ConvNet, DescentRule, EnergyNet, NetSpec, Optimizer, Params, PrecisionKind};
use mg_langevin::{ChainKey, Langevin, run, unobserved};
use mg_random::Key;
use mg_train::{At, Batch, Bound, Learner, Limit, Method, Preset, Report, Result, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::descriptor_keys::{DESCRIPTOR_KEYS, DescriptorKeys};
use crate::game::{Game, say_deviations};
use crate::initial::Initial;
use crate::net::{Net, Uses, scalar};
use crate::nets::{NET_KEYS, NetKeys, PRIOR_KEYS, section};
use crate::optimizer::Rule;
use crate::recipe::{Beginning, Recipe, configured};
use crate::saved::count;

/// Cooperative learning.
pub const METHOD: Method = Method {
    name: "cooperative",
    summary: "an energy whose chains begin at a generator's images and teach it (equation 11)",
    keys: &[NET_KEYS, PRIOR_KEYS, DESCRIPTOR_KEYS],
    presets: &[Preset {
        name: "cooperative",
        summary: "cooperative learning with its authors' settings",
        text: include_str!("../presets/cooperative.toml"),
    }],
    kind: &crate::descriptor::KIND,
    read: |values| {
        Ok(configured(CooperativeConfig {
            model: NetKeys::of_config(values)?,
            descriptor: DescriptorKeys::of_config(values)?,
            learn: section(values, "learn")?,
            guard: section(values, "guard")?,
        }))
    },
};

#[derive(Clone, Debug)]
struct CooperativeConfig {
    model: NetKeys,
    descriptor: DescriptorKeys,
    learn: LearnKeys,
    guard: GuardKeys,
}

/// `[learn]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnKeys {
    energy_rate: f64,
    generator_rate: f64,
    beta1: f64,
    beta2: f64,
    residual: f64,
}

/// `[guard]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct GuardKeys {
    max_gap: f64,
    max_deviation_ratio: f64,
}

impl Recipe for CooperativeConfig {
    fn side(&self) -> usize {
        self.model.side
    }

    fn precision(&self) -> PrecisionKind {
        self.model.precision
    }

    fn values(&self) -> Value {
        let chains = &self.descriptor.chains;
        let mut values =
            json!({ "model": self.model, "chains": chains, "learn": self.learn, "guard": self.guard });
        if let (Some(model), Value::Object(own)) =
            (values["model"].as_object_mut(), json!(self.descriptor.model))
        {
            model.extend(own);
        }
        values
    }

    fn start(&self, from: &Beginning<'_>) -> Result<Box<dyn Learner>> {
        Ok(Box::new(self.nets(from.key, from.device)?))
    }
}

impl CooperativeConfig {
    fn nets(&self, key: Key, device: &Device) -> Result<Cooperative> {
        let (LearnKeys { beta1, beta2, .. }, model) = (&self.learn, &self.model);
        let (beta1, beta2, eps, key) = (*beta1, *beta2, 1e-8, key.named("initial"));
        let rule = (Rule::Adam { beta1, beta2, eps }, 0.0);
        let precision = model.precision.on(device);
        let shape = model.generator();
        let generator = Net::new(
            &shape,
            precision,
            Initial::Normal(model.initial),
            rule,
            key.named("generator"),
            device,
        )?;
        let spec = self.descriptor.spec(model.side, precision);
        let params = Params::init(&spec, key.named("energy"), DType::F32, device)?;
        // The sum of independent outputs deviates by the root of their number; see `with_all_outputs`.
        let outputs = self.descriptor.model.outputs as f64;
        let params = params
            .map(|name, tensor| if is_head(name) { tensor / outputs.sqrt() } else { Ok(tensor.clone()) })?;
        let optimizer = Optimizer::new(DescentRule::Adam { beta1, beta2, eps });
        Ok(Cooperative { generator, spec, params, optimizer, config: self.clone(), device: device.clone() })
    }
}

struct Cooperative {
    generator: Net,
    spec: NetSpec,
    /// Of the energy, with one of the equal outputs whose sum is the score.
    params: Params,
    optimizer: Optimizer,
    config: CooperativeConfig,
    device: Device,
}

fn is_head(name: &str) -> bool {
    name.starts_with("head.")
}

impl Cooperative {
    /// The fully connected layer times the number of its outputs: all of them get the same gradients, so they move alike, and
    /// their sum is one of them so many times. What is left of parameters, or of their gradients, stays.
    fn with_all_outputs(&self, params: &Params) -> Result<Params> {
        let outputs = self.config.descriptor.model.outputs as f64;
        Ok(params.map(|name, tensor| if is_head(name) { tensor * outputs } else { Ok(tensor.clone()) })?)
    }

    /// One update of each net from observed images [n, 3, s, s], latent numbers [m, latent, 1, 1] and chains.
    fn update(
        &mut self,
        observed: &Tensor,
        z: &Tensor,
        scale: f64,
        (langevin, key): (Langevin, ChainKey),
    ) -> Result<Report> {
        let (learn, keys) = (&self.config.learn, &self.config.descriptor);
        // Chains begin at the generator's images, and run l steps of equation (6).
        let net = self.generator.learning(Uses::One)?;
        let begun = self.generator.forward(&net, z)?;
        let energy = EnergyNet::new(
            ConvNet::new(&self.spec, &self.with_all_outputs(&self.params)?)?,
            keys.reference(),
        );
        let ended = run(&langevin, &energy, &begun.detach(), keys.chains.steps, key, &mut unobserved)?.x;
        // The energy: low for observed images, high where chains ended.
        let (observed_score, gained) = mean_gradient(&energy.net, observed)?;
        let (ended_score, lost) = mean_gradient(&energy.net, &ended)?;
        let descent = self.with_all_outputs(&lost.zip(&gained, |_, lost, gained| lost - gained)?)?;
        self.params = self.optimizer.update(&self.params, &descent, scale * learn.energy_rate)?;
        // The generator: the ends of the chains from the same latent numbers.
        let loss = ((ended.detach() - &begun)?.sqr()?.mean_all()? / (2.0 * learn.residual * learn.residual))?;
        self.generator.step(&self.generator.gradient(&loss)?, scale * learn.generator_rate, None)?;

        let mut report = Report::default();
        report.say("energy.gap", observed_score - ended_score);
        report.say("generator.loss", scalar(&loss)?);
        say_deviations(&mut report, observed, &ended)?;
        Ok(report)
    }
}

/// The mean score of images, and its gradient.
fn mean_gradient(net: &ConvNet, images: &Tensor) -> Result<(f64, Params)> {
    let share = 1.0 / images.dim(0)? as f64;
    let scored = net.score_and_param_grads(images, &|_, _| share)?;
    Ok((scalar(&scored.score.mean_all()?)?, scored.grads))
}

impl Learner for Cooperative {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let observed = Game::images(batch, at)?;
        let count = self.config.descriptor.chains.count;
        let z = self.config.model.latent(count, at.key.named("latent").into(), &self.device)?;
        let chains = (self.config.descriptor.langevin(), at.key.named("chains").into());
        self.update(&observed, &z, at.rate_scale, chains)
    }

    fn state(&self) -> Result<State> {
        let mut tensors = BTreeMap::new();
        let generator = self.generator.save("generator", &mut tensors)?;
        tensors.extend(self.params.iter().map(|(name, t)| (format!("energy.params.{name}"), t.clone())));
        self.optimizer.save("energy", &mut tensors);
        Ok(State { tensors, json: json!({ "generator": generator, "energy": self.optimizer.updates() }) })
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.generator.restore("generator", count(state, "generator")?, &state.tensors)?;
        self.params = Params::from_tensors(&self.spec, &mg_model::below(&state.tensors, "energy.params"))?;
        Ok(self.optimizer.restore(&self.spec, "energy", count(state, "energy")?, &state.tensors)?)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        self.generator.model("generator", &mut tensors)?;
        let params = self.with_all_outputs(&self.params)?;
        tensors.extend(params.iter().map(|(name, t)| (format!("energy.{name}"), t.clone())));
        Ok(tensors)
    }

    fn limits(&self) -> Vec<Limit> {
        let GuardKeys { max_gap, max_deviation_ratio } = self.config.guard;
        let of = "observed.deviation".to_string();
        let ratio = Bound::Times { times: max_deviation_ratio, of, least: 0.01 };
        let limit = |value: &str, bound| Limit { value: value.into(), bound };
        vec![limit("energy.gap", Bound::Size(max_gap)), limit("generated.deviation", ratio)]
    }

    fn watched(&self) -> Vec<String> {
        vec!["energy.gap".into(), "generator.loss".into()]
    }
}

#[cfg(test)]
mod tests;
