use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::{ConvNet, Norm, Params, Precision, Reference};
use mg_pyramid::down;

use super::{ChainStarts, RANGE, Sampler, Settings, restore_statistics, save_statistics};
use crate::artefact::FIRST_KIND;
use crate::images::batches;
use crate::{
    Artefact, Energies, FeatureNets, Features, Generate, GridNet, Header, Images, Kind, Model, Recover,
    Result, ScoreNets, Scorer, below,
};

/// Models with an energy per grid.
pub const KIND: Kind = Kind { name: FIRST_KIND, open };

/// A finished model: one energy per grid, and the 1x1 histogram to begin from, for every class.
#[derive(Clone, Debug)]
pub struct MultigridModel {
    /// What it is and where it came from.
    pub header: Header,
    /// What it is made of and how it is sampled.
    pub settings: Settings,
    /// The classes; one named "all" unless the model is conditional.
    pub classes: Vec<MultigridClass>,
}

/// One class of a model.
#[derive(Clone, Debug)]
pub struct MultigridClass {
    /// What its chains begin with.
    pub starts: ChainStarts,
    /// A net per grid, coarse to fine.
    pub grids: Vec<GridNet>,
}

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    Ok(Box::new(MultigridModel::of(artefact, device)?))
}

impl MultigridModel {
    /// The model in an artefact.
    ///
    /// # Errors
    /// When its configuration is out of range, or tensors are missing or have another shape than it asks for.
    pub fn of(artefact: Artefact, device: &Device) -> Result<Self> {
        let Artefact { header, tensors } = artefact;
        let settings = Settings::of_config(&header.config)?;
        let class = |c: usize| MultigridClass::of(&settings, &below(&tensors, &format!("class{c}")), device);
        let classes = (0..header.classes.len()).map(class).collect::<Result<_>>()?;
        Ok(MultigridModel { header, settings, classes })
    }

    /// The class of this name, or the only one.
    ///
    /// # Errors
    /// When there is no such class, or several to choose from.
    pub fn class(&self, name: Option<&str>) -> Result<&MultigridClass> {
        Ok(&self.classes[self.header.class(name)?])
    }
}

impl MultigridClass {
    /// A class out of its tensors.
    fn of(settings: &Settings, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<Self> {
        let grid = |level: usize| {
            let spec = settings.net_spec_on(level, device)?;
            let stored = below(tensors, &format!("grid{}", spec.side));
            let params = Params::from_tensors(&spec, &stored)?;
            let statistics = restore_statistics(&spec, &format!("grid{}", spec.side), tensors);
            Ok(GridNet { statistics, params, spec })
        };
        let grids = (0..settings.sides().len()).map(grid).collect::<Result<_>>()?;
        Ok(MultigridClass { starts: ChainStarts::restore(settings, tensors)?, grids })
    }

    /// Its tensors by name.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        self.starts.save(&mut tensors)?;
        for grid in &self.grids {
            let prefix = format!("grid{}", grid.spec.side);
            tensors.extend(grid.params.iter().map(|(name, t)| (format!("{prefix}.{name}"), t.clone())));
            save_statistics(grid.statistics.as_ref(), &prefix, &mut tensors);
        }
        Ok(tensors)
    }
}

impl Model for MultigridModel {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn artefact(&self) -> Result<Artefact> {
        let mut tensors = BTreeMap::new();
        for (c, class) in self.classes.iter().enumerate() {
            let named = class.tensors()?.into_iter();
            tensors.extend(named.map(|(name, tensor)| (format!("class{c}.{name}"), tensor)));
        }
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.settings.sides().last().copied().unwrap_or(1)
    }

    fn set_precision(&mut self, precision: Precision) {
        let grids = self.classes.iter_mut().flat_map(|class| &mut class.grids);
        grids.for_each(|grid| grid.spec.precision = precision);
    }

    fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let batch = self.settings.batch.min(images.len()).max(1);
        let whole = images.len() / batch * batch; // what does not fill a batch is left out
        let averaged = |grid: &&mut GridNet| matches!(grid.spec.norm, Norm::Batch | Norm::Observed);
        let grids: Vec<_> =
            self.classes.iter_mut().flat_map(|class| &mut class.grids).filter(averaged).collect();
        let (total, mut finished) = (grids.len() * whole, 0);
        for grid in grids {
            let on_grid = |numbers: std::ops::Range<usize>| -> Result<Tensor> {
                finished += numbers.len();
                let x = down(&images.batch(numbers)?, grid.spec.side)?;
                done(finished, total);
                Ok(x)
            };
            let batches = batches(whole, batch).map(on_grid);
            grid.statistics = ConvNet::average_statistics(&grid.spec, &grid.params, batches)?;
        }
        Ok(())
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        Some(self)
    }

    fn features(&self) -> Option<&dyn Features> {
        Some(self)
    }

    /// None where a grid has a flow: its score tells velocities, not how likely an image is.
    fn energies(&self) -> Option<&dyn Energies> {
        let flows = (0..self.settings.sides().len()).any(|level| self.settings.is_flow(level));
        (!flows).then_some(self)
    }
}

impl Features for MultigridModel {
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        FeatureNets::of_score_nets(self, grids, class)
    }
}

impl Energies for MultigridModel {
    fn sides(&self) -> &[usize] {
        self.settings.sides()
    }

    fn scorer(&self, class: Option<&str>) -> Result<Scorer> {
        Scorer::of(self, class)
    }

    fn score_nets(&self) -> Option<&dyn ScoreNets> {
        Some(self)
    }
}

impl ScoreNets for MultigridModel {
    fn nets(&self, class: Option<&str>) -> Result<&[GridNet]> {
        Ok(&self.class(class)?.grids)
    }

    fn reference(&self) -> Reference {
        self.settings.reference()
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        let bounded = self.settings.chains.clamp || self.settings.reference() == Reference::Uniform;
        bounded.then_some(RANGE)
    }

    fn temperature(&self, level: usize) -> f64 {
        Sampler::new(&self.settings, level).temperature()
    }

    fn batch(&self) -> usize {
        self.settings.batch
    }
}
