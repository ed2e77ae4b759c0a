use candle_core::Device;
use mg_energy::{Activation, ConvSpec, NetSpec, Norm, Padding, Reference};

use super::{ActivationMode, NetFamily, Nets, NormMode, PaddingMode, ReferenceMode, Settings};
use crate::{Error, Result};

impl Settings {
    /// The net of grid number `level`, coarse to fine, as it computes on `device`.
    ///
    /// # Errors
    /// When layers are listed, and none for this grid.
    pub fn net_spec_on(&self, level: usize, device: &Device) -> Result<NetSpec> {
        Ok(NetSpec { precision: self.model.precision.on(device), ..self.net_spec(level)? })
    }

    /// The net of grid number `level`, coarse to fine, in full precision.
    ///
    /// # Errors
    /// When layers are listed, and none for this grid.
    pub fn net_spec(&self, level: usize) -> Result<NetSpec> {
        let side = self.sides()[level];
        let model = &self.model;
        let finest = level + 1 == self.sides().len();
        let mut spec = match &model.nets {
            Nets::Named(NetFamily::DcganFinest) if finest => NetSpec::dcgan(side),
            Nets::Named(_) => NetSpec::paper(side),
            Nets::Layers(layers) => {
                let layers = layers.get(level).ok_or_else(|| {
                    let (listed, needed) = (layers.len(), self.sides().len());
                    Error::value(
                        "model.nets",
                        format!("{listed} lists of layers"),
                        format!("one for each of the {needed} grids above 1x1"),
                    )
                })?;
                let conv = |&[channels, kernel, stride]: &[usize; 3]| ConvSpec { channels, kernel, stride };
                NetSpec { layers: layers.iter().map(conv).collect(), ..NetSpec::paper(side) }
            }
        }
        .scaled(model.width);
        spec.padding = match model.padding {
            PaddingMode::Same => Padding::Same,
            PaddingMode::SameTensorflow => Padding::SameTensorflow,
            PaddingMode::Two => Padding::Pixels(2),
        };
        spec.norm = match model.norm {
            NormMode::None => Norm::None,
            NormMode::Batch => Norm::Batch,
            NormMode::Observed => Norm::Observed,
            NormMode::Frozen => Norm::Frozen,
            NormMode::Group => Norm::Group { groups: model.groups },
        };
        spec.activation = match model.activation {
            ActivationMode::LeakyRelu => Activation::LeakyRelu { slope: model.slope },
            ActivationMode::Relu => Activation::Relu,
            ActivationMode::Silu => Activation::Silu,
        };
        Ok(spec)
    }

    /// The reference distribution.
    pub fn reference(&self) -> Reference {
        match self.model.reference {
            ReferenceMode::Uniform => Reference::Uniform,
            ReferenceMode::Gaussian => Reference::Gaussian { sigma: self.model.sigma },
        }
    }
}
