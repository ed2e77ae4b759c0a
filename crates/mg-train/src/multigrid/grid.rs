use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::{ConvNet, EnergyNet, NetSpec, Norm, Params, Reference, Statistics};
use mg_random::Key;

use crate::Result;
use crate::config::Config;
use crate::gradient::treat;
use crate::optimizer::{Optimizer, moving_average};
use crate::tensor_file::below;

/// What is learned on one grid: the parameters of its score, with all that their learning needs.
#[derive(Clone, Debug)]
pub struct GridModel {
    /// The net.
    pub spec: NetSpec,
    /// Its parameters.
    pub params: Params,
    /// Their moving average; the parameters themselves when there is none.
    pub average: Params,
    /// Statistics that normalise the net for ever (`norm = "frozen"`).
    pub frozen: Option<Statistics>,
    optimizer: Optimizer,
}

/// Mean scores of one update.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Mean f of the observed images.
    pub observed: f64,
    /// Mean f of the synthesized images.
    pub synthesized: f64,
}

impl GridModel {
    /// A model that has learned nothing yet. Frozen statistics are those of `observed`, [n, c, s, s].
    pub fn init(config: &Config, level: usize, key: Key, observed: &Tensor, device: &Device) -> Result<Self> {
        let spec = config.net_spec_on(level, device)?;
        let params =
            Params::init(&spec, key.named("params").named(&spec.side.to_string()), DType::F32, device)?;
        let frozen = match spec.norm {
            Norm::Frozen => Some(ConvNet::statistics(&spec, &params, observed)?),
            _ => None,
        };
        Ok(GridModel {
            average: params.clone(),
            optimizer: Optimizer::new(&config.learn),
            spec,
            params,
            frozen,
        })
    }

    /// The energy that chains see while learning; `observed` is the batch at hand.
    pub fn energy(&self, reference: Reference, observed: &Tensor) -> Result<EnergyNet> {
        Ok(EnergyNet::new(self.net(observed)?, reference))
    }

    fn net(&self, observed: &Tensor) -> Result<ConvNet> {
        let (spec, params) = (&self.spec, &self.params);
        Ok(match (&self.frozen, spec.norm) {
            (Some(frozen), _) => ConvNet::with_statistics(spec, params, frozen)?,
            (None, Norm::Observed) => {
                ConvNet::with_statistics(spec, params, &ConvNet::statistics(spec, params, observed)?)?
            }
            _ => ConvNet::new(spec, params)?,
        })
    }

    /// One step up the log-likelihood (equation 7): observed images gain score, synthesized ones lose it. Energy
    /// regularisation adds `strength` times the mean squared scores to the loss.
    pub fn learn(
        &mut self,
        net: &ConvNet,
        observed: &Tensor,
        synthesized: &Tensor,
        config: &Config,
        rate: f64,
    ) -> Result<Scores> {
        let n = observed.dim(0)? as f64;
        let strength = 2.0 * config.learn.energy_regularization;
        let lose = net.score_and_param_grads(synthesized, &|_, f| (1.0 + strength * f) / n)?;
        let gain = net.score_and_param_grads(observed, &|_, f| (-1.0 + strength * f) / n)?;
        let grads = lose.grads.zip(&gain.grads, |_, a, b| a + b)?;
        let grads = treat(config.learn.gradient, &self.spec, grads)?;
        self.params = self.optimizer.update(&self.params, &grads, rate)?;
        self.average = match config.learn.ema {
            0.0 => self.params.clone(),
            decay => moving_average(&self.average, &self.params, decay, self.optimizer.updates())?,
        };
        let mean = |scores: &Tensor| scores.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>();
        Ok(Scores { observed: mean(&gain.score)?, synthesized: mean(&lose.score)? })
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.optimizer.updates()
    }

    /// Puts the whole state under `prefix`.
    pub fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
        for (kind, params) in [("param", &self.params), ("average", &self.average)] {
            into.extend(
                params.iter().map(|(name, tensor)| (format!("{prefix}.{kind}.{name}"), tensor.clone())),
            );
        }
        self.optimizer.save(&format!("{prefix}.optimizer"), into);
        save_statistics(self.frozen.as_ref(), prefix, into);
    }

    /// Takes over a state after `updates` updates that [`save`](GridModel::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape: the state of another architecture.
    pub fn restore(&mut self, prefix: &str, updates: u64, from: &BTreeMap<String, Tensor>) -> Result<()> {
        let params = |kind: &str| Params::from_tensors(&self.spec, &below(from, &format!("{prefix}.{kind}")));
        let (now, average) = (params("param")?, params("average")?);
        self.optimizer.restore(&self.spec, &format!("{prefix}.optimizer"), updates, from)?;
        (self.params, self.average) = (now, average);
        if self.frozen.is_some() {
            self.frozen = restore_statistics(&self.spec, prefix, from);
        }
        Ok(())
    }
}

pub(crate) fn save_statistics(
    statistics: Option<&Statistics>,
    prefix: &str,
    into: &mut BTreeMap<String, Tensor>,
) {
    for (i, (mean, variance)) in (1..).zip(statistics.into_iter().flatten()) {
        into.insert(format!("{prefix}.norm{i}.running_mean"), mean.clone());
        into.insert(format!("{prefix}.norm{i}.running_var"), variance.clone());
    }
}

pub(crate) fn restore_statistics(
    spec: &NetSpec,
    prefix: &str,
    from: &BTreeMap<String, Tensor>,
) -> Option<Statistics> {
    let of = |i: usize, kind: &str| from.get(&format!("{prefix}.norm{i}.running_{kind}")).cloned();
    (1..=spec.layers.len()).map(|i| Some((of(i, "mean")?, of(i, "var")?))).collect()
}
