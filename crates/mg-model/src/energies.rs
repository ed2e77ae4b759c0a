use mg_energy::{ConvNet, EnergyNet, NetSpec, Norm, Params, Reference, Statistics};

use crate::{GridEnergy, Result, Scorer};

/// Says how likely images are: a score f and an energy U of each, on one or several grids.
pub trait Energies {
    /// Sides of the grids, coarse to fine.
    fn sides(&self) -> &[usize];

    /// What says f and U by the nets of a class; of the only class when none is named.
    ///
    /// # Errors
    /// When there is no such class, or several to choose from, or a net cannot be evaluated image by image.
    fn scorer(&self, class: Option<&str>) -> Result<Scorer>;

    /// The nets f, where they are [`ConvNet`]s below a p0.
    fn score_nets(&self) -> Option<&dyn ScoreNets> {
        None
    }
}

/// Nets f of the energies U = -log p0 - f, one on each grid.
pub trait ScoreNets: Energies {
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

impl Scorer {
    /// The scorer of a class's nets, or of those of the only class.
    ///
    /// # Errors
    /// When there is no such class, or a net cannot be built, or it normalises over batches and the model keeps no
    /// statistics for it.
    pub fn of(model: &dyn ScoreNets, class: Option<&str>) -> Result<Self> {
        let energy = |grid: &GridNet| -> Result<Box<dyn GridEnergy>> {
            Ok(Box::new(EnergyNet::new(grid.independent()?, model.reference())))
        };
        let grids = model.nets(class)?.iter().map(energy).collect::<Result<_>>()?;
        Ok(Scorer::new(grids, model.batch()))
    }
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
