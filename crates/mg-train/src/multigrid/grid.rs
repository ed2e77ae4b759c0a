use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::{
    ConvNet, EnergyNet, Matched, Matching, NetSpec, Norm, Optimizer, Params, Part, Reference, Statistics,
    Targets, below, moving_average,
};
use mg_model::GridNet;
use mg_model::multigrid::{ChainStart, restore_statistics, save_statistics};
use mg_random::Key;

use super::gradient::treat;
use super::{GradientTreatment, MultigridConfig};
use crate::{Collective, Result};

/// What is learned on one grid: the parameters of its score, with all that their learning needs.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The net.
    pub spec: NetSpec,
    /// Its parameters.
    pub params: Params,
    /// Their moving average; the parameters themselves when there is none.
    pub average: Params,
    /// Statistics that normalise the net for ever (`norm = "frozen"`).
    frozen: Option<Statistics>,
    optimizer: Optimizer,
    /// Where its chains begin.
    pub start: ChainStart,
    /// Learning rate, before all factors.
    pub rate: f64,
    treatment: GradientTreatment,
    /// Strength of the energy regularisation.
    regularization: f64,
    /// Decay of the average; 0 for none.
    ema: f64,
}

/// The gradient of the loss of one grid, and what it was computed from, of the images of all peers.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// With respect to every parameter.
    pub params: Params,
    /// What it was computed from.
    pub from: Evidence,
}

/// What a gradient was computed from.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// Scores of images.
    Scores {
        /// f of the observed images, `[n]`.
        observed: Tensor,
        /// f of the synthesized images, `[n]`.
        synthesized: Tensor,
    },
    /// Mean squared differences of df/dx and the velocity of each path, `[n]`.
    Errors(Tensor),
}

impl Grid {
    /// Grid number `level` before its first update.
    ///
    /// # Errors
    /// When the net cannot be built.
    pub fn new(config: &MultigridConfig, level: usize, key: Key, device: &Device) -> Result<Self> {
        let (settings, learn) = (&config.settings, &config.learn);
        let spec = settings.net_spec_on(level, device)?;
        let key = key.named("params").named(&spec.side.to_string());
        let params = Params::init(&spec, key, DType::F32, device)?;
        Ok(Grid {
            average: params.clone(),
            optimizer: Optimizer::new(learn.rule()),
            start: settings.chains.start.at(level),
            rate: learn.rate.at(level),
            treatment: learn.gradient,
            regularization: learn.energy_regularization,
            ema: learn.ema,
            frozen: None,
            spec,
            params,
        })
    }

    /// Normalises for ever with the statistics of `observed`, [n, c, s, s], if that is what the net does.
    ///
    /// # Errors
    /// When the images do not fit the net.
    pub fn freeze(&mut self, observed: &Tensor) -> Result<()> {
        if self.spec.norm == Norm::Frozen {
            self.frozen = Some(ConvNet::statistics(&self.spec, &self.params, observed)?);
        }
        Ok(())
    }

    /// The energy that chains see while learning; `observed`, [n, c, s, s], is the batch at hand.
    ///
    /// # Errors
    /// When the net cannot be built.
    pub fn energy(
        &self,
        reference: Reference,
        observed: &Tensor,
        peers: &dyn Collective,
    ) -> Result<EnergyNet> {
        let (spec, params) = (&self.spec, &self.params);
        let net = match (&self.frozen, spec.norm) {
            (Some(frozen), _) => ConvNet::with_statistics(spec, params, frozen)?,
            (None, Norm::Observed) => {
                let statistics = ConvNet::statistics(spec, params, &peers.gather(observed)?)?;
                ConvNet::with_statistics(spec, params, &statistics)?
            }
            _ => ConvNet::new(spec, params)?,
        };
        Ok(EnergyNet::new(net, reference))
    }

    /// The gradient of minus the log-likelihood (equation 7): observed images are to gain score, synthesized ones to lose
    /// it. Energy regularisation adds its strength times the mean squared scores to the loss. `part` says which part of the
    /// whole batch these images are; the others' parts come from the peers.
    ///
    /// # Errors
    /// When a tensor operation fails, or the net couples images of several peers.
    pub fn contrast(
        &self,
        net: &ConvNet,
        (observed, synthesized): (&Tensor, &Tensor),
        part: Part,
        peers: &dyn Collective,
    ) -> Result<Gradient> {
        let n = part.of as f64;
        let strength = 2.0 * self.regularization;
        let lose = weigh(net, synthesized, part, peers, &|_, f| (1.0 + strength * f) / n)?;
        let gain = weigh(net, observed, part, peers, &|_, f| (-1.0 + strength * f) / n)?;
        let params = lose.1.zip(&gain.1, |_, a, b| a + b)?;
        let params = treat(self.treatment, &self.spec, params)?;
        Ok(Gradient { params, from: Evidence::Scores { observed: gain.0, synthesized: lose.0 } })
    }

    /// The gradient of the mean squared difference of df/dx and velocities, of a grid whose law is a flow. `part` says which
    /// part of the whole batch these images are; the others' parts come from the peers.
    ///
    /// # Errors
    /// When a tensor operation fails, or the net normalises.
    pub fn matching(&self, targets: &Targets<'_>, part: Part, peers: &dyn Collective) -> Result<Gradient> {
        let net = Matching::new(&self.spec, &self.params)?;
        let (errors, params) = if peers.size() == 1 {
            let Matched { errors, grads } = net.param_grads(targets)?;
            (errors, grads)
        } else {
            let (errors, sums) = net.param_sums(targets, part)?;
            (errors, net.finish_param_grads(peers.sum(sums)?)?)
        };
        let errors = peers.gather(&Tensor::new(errors, &Device::Cpu)?)?;
        let params = treat(self.treatment, &self.spec, params)?;
        Ok(Gradient { params, from: Evidence::Errors(errors) })
    }

    /// One step down a gradient, of size `rate`.
    ///
    /// # Errors
    /// When the gradient is that of other parameters.
    pub fn update(&mut self, gradient: &Gradient, rate: f64) -> Result<()> {
        self.params = self.optimizer.update(&self.params, &gradient.params, rate)?;
        self.average = match self.ema {
            0.0 => self.params.clone(),
            decay => moving_average(&self.average, &self.params, decay, self.optimizer.updates())?,
        };
        Ok(())
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.optimizer.updates()
    }

    /// Whether the finished net needs statistics of a batch of observed images.
    pub fn needs_observed(&self) -> bool {
        self.frozen.is_none() && matches!(self.spec.norm, Norm::Batch | Norm::Observed)
    }

    /// The finished net, with averaged parameters; `observed`, [n, c, s, s], gives statistics to a net that needs them.
    ///
    /// # Errors
    /// When the images do not fit the net.
    pub fn finished(&self, observed: Option<&Tensor>) -> Result<GridNet> {
        let (spec, params) = (self.spec.clone(), self.average.clone());
        let statistics = match observed {
            Some(observed) if self.needs_observed() => Some(ConvNet::statistics(&spec, &params, observed)?),
            _ => self.frozen.clone(),
        };
        Ok(GridNet { spec, params, statistics })
    }

    /// Adds the whole state under `prefix`.
    pub fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
        for (kind, params) in [("param", &self.params), ("average", &self.average)] {
            into.extend(
                params.iter().map(|(name, tensor)| (format!("{prefix}.{kind}.{name}"), tensor.clone())),
            );
        }
        self.optimizer.save(&format!("{prefix}.optimizer"), into);
        save_statistics(self.frozen.as_ref(), prefix, into);
    }

    /// Takes over a state after `updates` updates that [`save`](Grid::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape: the state of another architecture.
    pub fn restore(&mut self, prefix: &str, updates: u64, from: &BTreeMap<String, Tensor>) -> Result<()> {
        let params = |kind: &str| Params::from_tensors(&self.spec, &below(from, &format!("{prefix}.{kind}")));
        let (now, average) = (params("param")?, params("average")?);
        self.optimizer.restore(&self.spec, &format!("{prefix}.optimizer"), updates, from)?;
        (self.params, self.average) = (now, average);
        if self.spec.norm == Norm::Frozen {
            self.frozen = restore_statistics(&self.spec, prefix, from);
        }
        Ok(())
    }
}

/// The scores of all peers' images, `[n]`, and the sum of their parameter gradients, each times its coefficient.
fn weigh(
    net: &ConvNet,
    images: &Tensor,
    part: Part,
    peers: &dyn Collective,
    coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
) -> Result<(Tensor, Params)> {
    if peers.size() == 1 {
        let scored = net.score_and_param_grads(images, coefficient)?;
        return Ok((scored.score, scored.grads));
    }
    let (scores, sums) = net.score_and_param_sums(images, part, coefficient)?;
    let total = peers.sum(sums)?;
    Ok((peers.gather(&scores)?, net.finish_param_grads(total)?))
}
