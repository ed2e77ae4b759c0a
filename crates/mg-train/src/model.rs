use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_energy::{ConvNet, EnergyNet, NetSpec, Norm, Params, Precision, Statistics};
use mg_langevin::{Level, Observer, recover, sweep};
use mg_pyramid::{InitialDistribution, Mask};
use mg_random::Key;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::grid_model::{restore_statistics, save_statistics};
use crate::learner::Contrastive;
use crate::sampler::Sampler;
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
    /// p(0).
    pub initial: InitialDistribution,
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

/// How images are synthesized.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Synthesis {
    /// Class; all in turn when `None`.
    pub class: Option<String>,
    /// Whether the noise stays on; as configured when `None`.
    pub noise: Option<bool>,
    /// Steps per grid; as configured when `None`.
    pub steps: Option<usize>,
    /// Normalise with statistics of observed images rather than of the batch, which frees the batch size.
    pub frozen: bool,
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
            let (name, initial) = (learned.class.name.clone(), learned.initial.clone());
            classes.push(ModelClass { name, initial, grids: grids.collect::<Result<_>>()? });
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
            for (name, tensor) in class.initial.tensors()? {
                tensors.insert(format!("class{c}.initial.{name}"), tensor);
            }
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
    /// When the file is missing, damaged, or of something else.
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
        header.config.validate()?;
        let class = |(c, name): (usize, &String)| {
            let initial = InitialDistribution::from_tensors(&below(&tensors, &format!("class{c}.initial")))?;
            let grid = |level: usize| {
                let spec = header.config.net_spec_on(level, device)?;
                let prefix = format!("class{c}.grid{}", spec.side);
                let params = Params::from_tensors(&spec, &below(&tensors, &prefix))?;
                Ok(ModelGrid { statistics: restore_statistics(&spec, &prefix, &tensors), params, spec })
            };
            let grids = (0..header.config.sides().len()).map(grid).collect::<Result<_>>()?;
            Ok(ModelClass { name: name.clone(), initial, grids })
        };
        let classes = header.classes.iter().enumerate().map(class).collect::<Result<_>>()?;
        Ok(Model { header, classes })
    }

    /// The same model, computed in another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let grids = self.classes.iter_mut().flat_map(|class| &mut class.grids);
        grids.for_each(|grid| grid.spec.precision = precision);
        self
    }

    /// The configuration it was learned with.
    pub fn config(&self) -> &Config {
        &self.header.config
    }

    /// Draws `n` images from p(0) and the energies alone; returns those of every grid, [n, c, s, s], coarse to fine.
    /// Image i depends on `key`, i and, where a net normalises over batches, on the batch it is drawn in. Batches are
    /// of the size learned with. `done` hears how many images are finished.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn sample(
        &self,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut Observer<'_>,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tensor>> {
        let len = self.chunk_len(how)?;
        let mut chunks: Vec<Vec<Tensor>> = Vec::new(); // [chunk][grid]
        for chunk in 0..n.div_ceil(len) {
            chunks.push(self.sample_chunk(chunk, n, how, key, device, observer)?);
            done(n.min((chunk + 1) * len));
        }
        let grids = chunks.first().map_or(0, Vec::len);
        (0..grids).map(|g| Ok(Tensor::cat(&chunks.iter().map(|c| &c[g]).collect::<Vec<_>>(), 0)?)).collect()
    }

    /// Images that are drawn together: a batch of every class.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        Ok(self.config().learn.batch * self.chosen(how.class.as_deref())?.len())
    }

    /// Chunk number `chunk` of the `n` images of [`sample`](Self::sample), for more images than fit into memory:
    /// [`chunk_len`](Self::chunk_len) of them, or what is left.
    ///
    /// # Errors
    /// When there is no such class, or no such chunk.
    pub fn sample_chunk(
        &self,
        chunk: usize,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut Observer<'_>,
    ) -> Result<Vec<Tensor>> {
        let (classes, len, batch) =
            (self.chosen(how.class.as_deref())?, self.chunk_len(how)?, self.config().learn.batch);
        let size = len.min(n.saturating_sub(chunk * len));
        if size == 0 {
            return Err(Error::Class(format!("{n} images have no chunk {chunk} of {len}")));
        }
        let mut parts = Vec::new(); // [class][grid] of [n_class, c, s, s]
        for (c, class) in classes.iter().enumerate() {
            let wanted = size / classes.len() + usize::from(c < size % classes.len());
            if wanted == 0 {
                continue;
            }
            let drawn = if self.couples_images(how) { batch } else { wanted };
            let key = key.named("sample").named(&class.name).fold(chunk as u64);
            let start = class.initial.sample(drawn, key, device)?;
            let grids = self.with_levels(class, how, |levels| {
                Ok(sweep(levels, &start, key, observer)?.into_iter().map(|run| run.x).collect::<Vec<_>>())
            })?;
            let kept = grids.iter().map(|x| x.narrow(0, 0, wanted));
            parts.push(kept.collect::<candle_core::Result<Vec<_>>>()?);
        }
        interleave(&parts, size)
    }

    /// Whether images drawn together depend on each other, so that a batch must be as large as in learning.
    fn couples_images(&self, how: &Synthesis) -> bool {
        let mut grids = self.classes.iter().flat_map(|class| &class.grids);
        !how.frozen && grids.any(|grid| grid.spec.norm == Norm::Batch)
    }

    /// Fills in the hidden pixels of `images`, [n, c, s, s] on the finest grid, one mask each; returns the recovered
    /// images. A conditional model needs a class.
    ///
    /// # Errors
    /// When sizes disagree, or a conditional model is given no class.
    pub fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor> {
        let class = self.class(how.class.as_deref())?;
        let n = images.dim(0)?;
        let batch = self.config().learn.batch;
        let mut recovered = Vec::new();
        for (number, first) in (0..n).step_by(batch).enumerate() {
            let len = batch.min(n - first);
            let (images, masks) = (images.narrow(0, first, len)?, &masks[first..first + len]);
            let key = key.named("recover").fold(number as u64);
            let mut runs = self.with_levels(class, how, |levels| {
                Ok(recover(levels, &images, masks, key, &mut mg_langevin::unobserved)?)
            })?;
            recovered.extend(runs.pop().map(|run| run.x));
            done(first + len);
        }
        Ok(Tensor::cat(&recovered, 0)?)
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

    fn chosen(&self, name: Option<&str>) -> Result<Vec<&ModelClass>> {
        match name {
            Some(name) => Ok(vec![self.class(Some(name))?]),
            None => Ok(self.classes.iter().collect()),
        }
    }

    /// Builds the levels of a class and hands them to `f`.
    fn with_levels<T>(
        &self,
        class: &ModelClass,
        how: &Synthesis,
        f: impl FnOnce(&[Level<'_>]) -> Result<T>,
    ) -> Result<T> {
        let config = self.config();
        let quiet = how.noise.map_or(config.chains.noise_free_synthesis, |noise| !noise);
        let sampler = |level| {
            let sampler = Sampler::new(config, level);
            let sampler = if quiet { sampler.noise_free() } else { sampler };
            Sampler { n_steps: how.steps.unwrap_or(sampler.n_steps), ..sampler }
        };
        let samplers: Vec<Sampler> = (0..class.grids.len()).map(sampler).collect();
        let energies = class.grids.iter().map(|grid| self.energy(grid, how)).collect::<Result<Vec<_>>>()?;
        let bounded: Vec<_> = energies.iter().map(Sampler::bounded).collect();
        let kernels: Vec<_> = samplers.iter().map(Sampler::kernel).collect();
        let level = |(i, sampler): (usize, &Sampler)| {
            sampler.level(config.sides()[i], &energies[i], &bounded[i], &*kernels[i])
        };
        f(&samplers.iter().enumerate().map(level).collect::<Vec<_>>())
    }

    /// The energy of one grid, ready to evaluate.
    fn energy(&self, grid: &ModelGrid, how: &Synthesis) -> Result<EnergyNet> {
        Ok(EnergyNet::new(grid.net(how.frozen)?, self.config().reference()))
    }
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

/// Image i of the result is image i / K of class i mod K.
fn interleave(parts: &[Vec<Tensor>], n: usize) -> Result<Vec<Tensor>> {
    let grids = parts.first().map_or(0, Vec::len);
    let one = |grid: usize| -> Result<Tensor> {
        let rows = (0..n).map(|i| parts[i % parts.len()][grid].narrow(0, i / parts.len(), 1));
        Ok(Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    };
    match parts {
        [only] => Ok(only.clone()),
        _ => (0..grids).map(one).collect(),
    }
}
