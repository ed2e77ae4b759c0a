use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_energy::{ConvNet, NetSpec, Norm, Params, Precision, Statistics};
use mg_pyramid::down;
use serde::{Deserialize, Serialize};

use crate::chain_starts::ChainStarts;
use crate::config::Config;
use crate::grid_model::{restore_statistics, save_statistics};
use crate::learner::Contrastive;
use crate::tensor_file::{self, below};
use crate::{Error, Result};

/// A finished model: one energy per grid, and the 1x1 histogram to begin from, for every class. One safetensors file
/// holds it with its configuration, so sampling needs nothing else.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is and where it came from.
    pub header: ModelHeader,
    /// The classes; one named "all" unless the model is conditional.
    pub classes: Vec<ModelClass>,
}

/// The description inside a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelHeader {
    /// "multigrid-model".
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// The configuration it was learned with.
    pub config: Config,
    /// Iterations it was learned for.
    pub iteration: u64,
    /// The images it was learned from.
    pub data: DataId,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// Which images a run has learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataId {
    /// As configured.
    pub source: String,
    /// Number of images.
    pub images: u64,
    /// SHA-256 of their pixels.
    pub sha256: String,
}

/// One class of a model.
#[derive(Clone, Debug)]
pub struct ModelClass {
    /// Its name.
    pub name: String,
    /// What its chains begin with.
    pub starts: ChainStarts,
    /// A net per grid, coarse to fine.
    pub grids: Vec<ModelGrid>,
}

/// The net of one grid.
#[derive(Clone, Debug)]
pub struct ModelGrid {
    /// What it looks like.
    pub spec: NetSpec,
    /// Its parameters.
    pub params: Params,
    /// Statistics of observed images, of nets that normalise over batches.
    pub statistics: Option<Statistics>,
}

const FORMAT: &str = "multigrid-model";
const VERSION: u32 = 1;

impl DataId {
    /// Of these images.
    pub fn of(config: &Config, data: &DataSet) -> Self {
        let (images, sha256) = (data.len(), data.content_hash().to_string());
        DataId { source: config.data.source.clone(), images, sha256 }
    }
}

impl Model {
    /// The model that a learner has reached, with averaged parameters.
    pub fn of(learner: &Contrastive, data: &DataId, iteration: u64) -> Result<Self> {
        let config = learner.config();
        let mut classes = Vec::new();
        for (number, learned) in learner.classes().iter().enumerate() {
            let observed = learner.observed(number, iteration)?;
            let grids = learned.grids.iter().zip(&observed).map(|(grid, observed)| {
                let (spec, params) = (grid.spec.clone(), grid.average.clone());
                let statistics = match (spec.norm, &grid.frozen) {
                    (_, Some(frozen)) => Some(frozen.clone()),
                    (Norm::Batch | Norm::Observed, _) => Some(ConvNet::statistics(&spec, &params, observed)?),
                    _ => None,
                };
                Ok(ModelGrid { spec, params, statistics })
            });
            let (name, starts) = (learned.class.name.clone(), learned.starts.clone());
            classes.push(ModelClass { name, starts, grids: grids.collect::<Result<_>>()? });
        }
        let header = ModelHeader {
            format: FORMAT.into(),
            version: VERSION,
            config: config.clone(),
            iteration,
            data: data.clone(),
            classes: classes.iter().map(|class| class.name.clone()).collect(),
        };
        Ok(Model { header, classes })
    }

    /// Writes the model atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = BTreeMap::new();
        for (c, class) in self.classes.iter().enumerate() {
            class.starts.save(c, &mut tensors)?;
            for grid in &class.grids {
                let prefix = format!("class{c}.grid{}", grid.spec.side);
                tensors.extend(grid.params.iter().map(|(name, t)| (format!("{prefix}.{name}"), t.clone())));
                save_statistics(grid.statistics.as_ref(), &prefix, &mut tensors);
            }
        }
        tensor_file::write(path, &tensors, &self.header)
    }

    /// Reads a model, or the one in a run directory.
    ///
    /// # Errors
    /// Names the file, when it is missing, damaged, or of something else.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let path = if path.is_dir() { path.join("model.safetensors") } else { path.to_path_buf() };
        let (tensors, header) = tensor_file::read::<ModelHeader>(&path, "model", device)?;
        if header.format != FORMAT || header.version != VERSION {
            let reason = format!(
                "it is {} version {}, this program reads {FORMAT} version {VERSION}",
                header.format, header.version
            );
            return Err(Error::Format { path, what: "model", reason });
        }
        let unusable = |error: Error| Error::Format { path, what: "model", reason: error.to_string() };
        let classes = classes(&header, &tensors, device).map_err(unusable)?;
        Ok(Model { header, classes })
    }

    /// The same model, computed in another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let grids = self.classes.iter_mut().flat_map(|class| &mut class.grids);
        grids.for_each(|grid| grid.spec.precision = precision);
        self
    }

    /// The same model, whose nets with batch statistics are evaluated with those of all images of a set, on the finest
    /// grid: their average over batches of the size learned with (section 6.3's features). Other nets stay as they
    /// are. `done` hears how many images of how many are finished.
    ///
    /// # Errors
    /// When an image cannot be read or is of another side.
    pub fn observing(
        mut self,
        data: &DataSet,
        device: &Device,
        done: &mut dyn FnMut(u64, u64),
    ) -> Result<Self> {
        let batch = (self.config().learn.batch as u64).min(data.len());
        let (batches, mut finished) = (data.len() / batch, 0);
        let averaged = |grid: &&mut ModelGrid| matches!(grid.spec.norm, Norm::Batch | Norm::Observed);
        let mut grids: Vec<_> =
            self.classes.iter_mut().flat_map(|class| &mut class.grids).filter(averaged).collect();
        let total = grids.len() as u64 * batches * batch;
        for grid in &mut grids {
            let images = |number: u64| -> Result<_> {
                let numbers: Vec<u64> = (number * batch..(number + 1) * batch).collect();
                let images = down(&data.batch(&numbers, &[], device)?, grid.spec.side)?;
                finished += batch;
                done(finished, total);
                Ok(images)
            };
            grid.statistics =
                ConvNet::average_statistics(&grid.spec, &grid.params, (0..batches).map(images))?;
        }
        Ok(self)
    }

    /// The configuration it was learned with.
    pub fn config(&self) -> &Config {
        &self.header.config
    }

    /// The class of this name, or the only one.
    ///
    /// # Errors
    /// When there is no such class, or several to choose from.
    pub fn class(&self, name: Option<&str>) -> Result<&ModelClass> {
        let names = || self.header.classes.join(", ");
        match (name, self.classes.as_slice()) {
            (None, [class]) => Ok(class),
            (None, _) => Err(Error::Class(format!(
                "this model is conditional: choose one of its classes, {}",
                names()
            ))),
            (Some(name), classes) => classes
                .iter()
                .find(|class| class.name == name)
                .ok_or_else(|| Error::Class(format!("no class {name:?}; this model has {}", names()))),
        }
    }
}

/// The classes that a header describes, out of the tensors of its file.
fn classes(
    header: &ModelHeader,
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Vec<ModelClass>> {
    header.config.validate()?;
    let class = |(c, name): (usize, &String)| {
        let starts = ChainStarts::restore(c, &header.config, tensors)?;
        let grid = |level: usize| {
            let spec = header.config.net_spec_on(level, device)?;
            let prefix = format!("class{c}.grid{}", spec.side);
            let params = Params::from_tensors(&spec, &below(tensors, &prefix))?;
            Ok(ModelGrid { statistics: restore_statistics(&spec, &prefix, tensors), params, spec })
        };
        let grids = (0..header.config.sides().len()).map(grid).collect::<Result<_>>()?;
        Ok(ModelClass { name: name.clone(), starts, grids })
    };
    header.classes.iter().enumerate().map(class).collect()
}

impl ModelGrid {
    /// The net, ready to evaluate; `frozen` takes the statistics of observed images, where there are any, also for a net
    /// that normalises over batches.
    pub fn net(&self, frozen: bool) -> Result<ConvNet> {
        Ok(match &self.statistics {
            Some(statistics) if frozen || self.spec.norm.needs_statistics() => {
                ConvNet::with_statistics(&self.spec, &self.params, statistics)?
            }
            _ => ConvNet::new(&self.spec, &self.params)?,
        })
    }
}
