#![allow(missing_docs, reason = "the comments of presets/multigrid.toml say what every key means")]

use mg_energy::DescentRule;
use mg_model::multigrid::{PerGrid, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::part;
use crate::{Error, Result};

/// What multi-grid learning is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct MultigridConfig {
    /// The grids, their nets and their chains.
    pub settings: Settings,
    /// How parameters move.
    pub learn: LearnKeys,
    /// When to stop trusting a run.
    pub guard: GuardKeys,
}

/// `[learn]`, beside what all methods share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnKeys {
    pub optimizer: OptimizerKind,
    pub rate: PerGrid<f64>,
    pub momentum: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decay: Decay,
    pub decay_to: f64,
    pub decay_passes: f64,
    pub decay_every: f64,
    pub gradient: GradientTreatment,
    pub energy_regularization: f64,
    pub ema: f64,
}

/// Optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// How the learning rate decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Not at all.
    None,
    /// In steps, evenly in the logarithm (the paper).
    Log,
}

/// What is done to a gradient before the optimiser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientTreatment {
    /// Nothing.
    Plain,
    /// Head x 0.1, kernels / map area, then every tensor to a largest absolute value of at most 1.
    ReleaseA,
}

/// `[guard]`, beside what all methods share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardKeys {
    pub max_gap: f64,
    pub max_deviation_ratio: f64,
    pub max_saturation: f64,
}

impl MultigridConfig {
    /// What is there of multi-grid learning in the values of a configuration.
    ///
    /// # Errors
    /// When keys are missing or do not fit each other.
    pub fn of(values: &Value) -> Result<Self> {
        let settings = Settings::of_config(values)?;
        let learn: LearnKeys = part(values, "learn")?;
        learn.rate.check_len("learn.rate", settings.sides().len())?;
        if learn.decay_passes < learn.decay_every {
            let must = format!("at least learn.decay_every, {}", learn.decay_every);
            return Err(Error::value("learn.decay_passes", learn.decay_passes, must));
        }
        Ok(MultigridConfig { settings, learn, guard: part(values, "guard")? })
    }
}

impl LearnKeys {
    /// The optimiser's rule.
    pub fn rule(&self) -> DescentRule {
        match self.optimizer {
            OptimizerKind::Sgd => DescentRule::Sgd { momentum: self.momentum },
            OptimizerKind::Adam => DescentRule::Adam { beta1: self.beta1, beta2: self.beta2, eps: self.eps },
        }
    }
}
