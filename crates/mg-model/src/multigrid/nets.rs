use candle_core::Device;
use mg_energy::{ConvSpec, NetSpec, Reference};

use super::{NetFamily, Nets, Settings};
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
        spec.padding = model.padding.padding();
        spec.norm = model.norm.with_groups(model.groups);
        spec.activation = model.activation.at(level).with_slope(model.slope);
        spec.clock = if self.is_flow(level) { model.clock } else { 0 };
        Ok(spec)
    }

    /// The reference distribution.
    pub fn reference(&self) -> Reference {
        self.model.reference.with_sigma(self.model.sigma)
    }
}
