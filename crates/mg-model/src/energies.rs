use mg_energy::{ConvNet, NetSpec, Norm, Params, Reference, Statistics};

use crate::Result;

/// Scores images: nets f on one or several grids, each with the energy U = -log p0 - f.
pub trait Energies {
    /// Sides of the grids, coarse to fine.
    fn sides(&self) -> &[usize];

    /// The nets of a class, coarse to fine; of the only class when none is named.
    ///
    /// # Errors
    /// When there is no such class, or several to choose from.
    fn nets(&self, class: Option<&str>) -> Result<&[GridNet]>;

    /// The reference distribution p0.
    fn reference(&self) -> Reference;

    /// The range that p0 is restricted to, if any.
    fn bounds(&self) -> Option<(f64, f64)>;

    /// The temperature that chains of a grid were learned at: noise_scale^2 / (2 step_size) of equation (6).
    fn temperature(&self, level: usize) -> f64;

    /// Images that are computed together.
    fn batch(&self) -> usize;
}

/// The net of one grid.
#[derive(Clone, Debug)]
pub struct GridNet {
    /// What it looks like.
    pub spec: NetSpec,
    /// Its parameters.
    pub params: Params,
    /// Statistics of observed images, of nets that normalise over batches.
    pub statistics: Option<Statistics>,
}

impl GridNet {
    /// The net, ready to evaluate; `frozen` takes the statistics of observed images, where there are any, also for a net
    /// that normalises over batches.
    ///
    /// # Errors
    /// When parameters or statistics do not fit the net.
    pub fn net(&self, frozen: bool) -> Result<ConvNet> {
        Ok(match &self.statistics {
            Some(statistics) if frozen || self.spec.norm.needs_statistics() => {
                ConvNet::with_statistics(&self.spec, &self.params, statistics)?
            }
            _ => ConvNet::new(&self.spec, &self.params)?,
        })
    }

    /// The net as it says f of an image that does not depend on others.
    ///
    /// # Errors
    /// When the net normalises over batches and there are no statistics for it.
    pub fn independent(&self) -> Result<ConvNet> {
        if self.statistics.is_none() && self.spec.norm == Norm::Batch {
            return Err(mg_energy::Error::NoStatistics { norm: self.spec.norm.name() }.into());
        }
        self.net(true)
    }
}
