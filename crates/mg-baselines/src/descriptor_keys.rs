#![allow(missing_docs, reason = "the comments of keys/cooperative.toml say what every key means")]

use mg_energy::{Activation, ConvSpec, NetSpec, Norm, Padding, Precision, Reference};
use mg_langevin::Langevin;
use mg_model::Result;
use serde::{Deserialize, Serialize};

use crate::nets::checked_section;

/// All keys of cooperative learning, beside those of nets.
pub(crate) const DESCRIPTOR_KEYS: &str = include_str!("../keys/cooperative.toml");

/// `[model]` and `[chains]` of cooperative learning, as a finished model needs them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescriptorKeys {
    pub(crate) model: EnergyKeys,
    pub(crate) chains: ChainKeys,
}

/// `[model]`, beside what nets share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EnergyKeys {
    pub(crate) descriptor: Descriptor,
    pub(crate) outputs: usize,
    pub(crate) sigma: f64,
}

/// Nets of energies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Descriptor {
    Coopnets,
    MultiGrid,
}

/// `[chains]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChainKeys {
    pub(crate) steps: usize,
    pub(crate) delta: f64,
    pub(crate) count: usize,
}

impl DescriptorKeys {
    pub(crate) fn of_config(config: &serde_json::Value) -> Result<Self> {
        let texts = [DESCRIPTOR_KEYS];
        Ok(DescriptorKeys {
            model: checked_section(config, "model", &texts)?,
            chains: checked_section(config, "chains", &texts)?,
        })
    }

    /// The energy's net for images of this side.
    pub(crate) fn spec(&self, side: usize, precision: Precision) -> NetSpec {
        let conv = |(channels, kernel, stride)| ConvSpec { channels, kernel, stride };
        let coopnets = [(64, 5, 2), (128, 3, 2), (256, 3, 1)].map(conv).to_vec();
        let paper = NetSpec::paper(side);
        let layers = match self.model.descriptor {
            Descriptor::Coopnets => coopnets,
            Descriptor::MultiGrid => paper.layers,
        };
        let activation = Activation::LeakyRelu { slope: 0.2 };
        NetSpec {
            channels: 3,
            clock: 0,
            side,
            layers,
            padding: Padding::Same,
            norm: Norm::None,
            activation,
            precision,
        }
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::Gaussian { sigma: self.model.sigma }
    }

    /// Equation (6).
    pub(crate) fn langevin(&self) -> Langevin {
        Langevin::from_delta(self.chains.delta)
    }
}
