use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_model::{Artefact, DataId, Header, Model, Synthesis, generate};
use mg_random::Key;

use crate::batches::Batches;
use crate::classes::classes;
use crate::config::Config;
use crate::per_class::PerClass;
use crate::{Alone, At, Class, Collective, Limit, Rehearsal, Report, Result, State};

/// Learning in memory: a method, its images, and where it is. [`Training`](crate::Training) puts a run on disk around it.
///
/// Iteration t is a function of the state, the data, the seed and t.
pub struct Learning {
    config: Config,
    device: Device,
    data: DataId,
    batches: Batches,
    learner: PerClass,
    peers: Box<dyn Collective>,
    /// Factor on all learning rates; the guard lowers it.
    pub rate_scale: f64,
}

impl Learning {
    /// Learning that has learned nothing yet, from all of `data`. What the configuration leaves to the device is settled.
    ///
    /// # Errors
    /// When the data do not fit the configuration: too few images, no labels for conditional models, another side.
    pub fn new(config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        Learning::among(config, data, device, Box::new(Alone))
    }

    /// The same, as one of several that share every batch.
    ///
    /// # Errors
    /// As [`new`](Learning::new), and when there are more of them than parts of a batch.
    pub fn among(
        config: &Config,
        data: &DataSet,
        device: &Device,
        peers: Box<dyn Collective>,
    ) -> Result<Self> {
        let config = config.pinned(device)?;
        let classes = classes(&config, data)?;
        let batches = Batches::new(&config, classes, device, (peers.rank(), peers.size()))?;
        let (key, flip) = (Key::new(config.seed), config.data.flip);
        let learner = |(number, class): (usize, &Class)| {
            let first = &mut || batches.of_class(number, 0);
            config.own.learner(class, flip, first, key, device)
        };
        let learners = batches.classes().iter().enumerate().map(learner).collect::<Result<_>>()?;
        let names = batches.classes().iter().map(|class| class.name.clone()).collect();
        let data = data_id(&config, data);
        let (device, learner) = (device.clone(), PerClass::new(names, learners));
        Ok(Learning { config, device, data, batches, learner, peers, rate_scale: 1.0 })
    }

    /// The configuration, with nothing left to the device.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Number of classes, which iterations serve in turn; 1 of a run without.
    pub fn classes(&self) -> usize {
        self.batches.classes().len()
    }

    /// The images that are learned from.
    pub fn data(&self) -> &DataId {
        &self.data
    }

    /// Iteration number `iteration`, from 0: one batch, one update. `progress` hears the share of it that is done.
    ///
    /// # Errors
    /// When the data cannot be read or a tensor operation fails. Numbers that are not finite are no error here.
    pub fn step(&mut self, iteration: u64, progress: &mut dyn FnMut(f64)) -> Result<Report> {
        let (batch, passes) = self.batches.at(iteration)?;
        let key = Key::new(self.config.seed).fold(iteration);
        let (rate_scale, peers) = (self.rate_scale, &*self.peers);
        let mut at = At { t: iteration, passes, rate_scale, key, peers, progress };
        self.learner.step(&batch, &mut at)
    }

    /// Everything that the next iteration depends on.
    ///
    /// # Errors
    /// When a tensor cannot be read from its device.
    pub fn state(&self) -> Result<State> {
        self.learner.state()
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// When something is missing or of another shape; this value is then not to be used.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.learner.restore(state)
    }

    /// What a model file holds after `iteration` iterations.
    ///
    /// # Errors
    /// When a tensor operation fails, or a batch for statistics cannot be read.
    pub fn artefact(&self, iteration: u64) -> Result<Artefact> {
        let tensors = self.learner.artefact(&|number| self.batches.of_class(number, iteration))?;
        let classes = self.batches.classes().iter().map(|class| class.name.clone()).collect();
        let (kind, config) = (self.config.method.kind.name, self.config.values());
        let header = Header::new(kind, config, iteration, self.data.clone(), classes);
        Ok(Artefact { header: Header { categories: self.learner.categories(), ..header }, tensors })
    }

    /// The model after `iteration` iterations.
    ///
    /// # Errors
    /// As [`artefact`](Learning::artefact), and when the method's kind cannot open it.
    pub fn model(&self, iteration: u64) -> Result<Box<dyn Model>> {
        Ok((self.config.method.kind.open)(self.artefact(iteration)?, &self.device)?)
    }

    /// Images of the sheet of an iteration, on every grid; `None` of a method that draws none.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn sheet(&self, iteration: u64) -> Result<Option<Vec<Tensor>>> {
        let (n, key) = (self.config.output.sheet_images, Key::new(self.config.seed).named("sheet"));
        if let Some(images) = self.learner.sheet(n, key)? {
            return Ok(Some(images));
        }
        let model = self.model(iteration)?;
        if model.generate().is_none() {
            return Ok(None);
        }
        let how = Synthesis::default();
        let unobserved = &mut mg_langevin::unobserved;
        Ok(Some(generate(&*model, n, &how, key, &self.device, unobserved, &mut |_| {})?))
    }

    /// What values of reports must keep to.
    pub fn limits(&self) -> Vec<Limit> {
        self.learner.limits()
    }

    /// Names of the values that tell most.
    pub fn watched(&self) -> Vec<String> {
        self.learner.watched()
    }

    /// What there is to say before the first step, line by line.
    pub fn describe(&self) -> Vec<String> {
        self.learner.describe()
    }

    /// Work that is a known part of an iteration.
    pub fn rehearsals(&self) -> Vec<Rehearsal<'_>> {
        self.learner.rehearsals()
    }
}

/// Which images a run learns from.
pub fn data_id(config: &Config, data: &DataSet) -> DataId {
    DataId { source: config.data.source.clone(), images: data.len(), sha256: data.content_hash().to_string() }
}

impl std::fmt::Debug for Learning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Learning").field("config", &self.config).finish_non_exhaustive()
    }
}
