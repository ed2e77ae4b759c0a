use candle_core::Device;
use mg_eval::Score;
use mg_model::multigrid::Settings;
use mg_model::{DataId, Model};
use mg_random::Key;
use serde::Serialize;
use serde_json::Value;

use crate::config::ProbeConfig;
use crate::fit::{Epoch, Learns, fit};
use crate::probe::Probe;
use crate::{Error, Result};
use mg_data::Labelled;

/// What a classifier starts from, and what of it learns: the rows of table 3.
#[derive(Clone, Copy, Debug)]
pub enum TrunkStart<'a> {
    /// A model's nets, which stay as they are.
    Frozen(&'a dyn Model),
    /// A model's nets, which learn on with the head.
    FineTuned(&'a dyn Model),
    /// The nets of a configuration with random numbers: the supervised baseline.
    Supervised(&'a Settings, &'a Device),
}

/// Classifiers learned from several numbers of labels, with several draws each.
#[derive(Clone, Debug)]
pub struct Study<'a> {
    /// What all of them start from.
    pub start: TrunkStart<'a>,
    /// How they learn.
    pub config: ProbeConfig,
    /// Numbers of labels.
    pub labels: Vec<usize>,
    /// Seeds: of the draw, of initial numbers and of the order of learning.
    pub seeds: Vec<u64>,
}

/// What a study found; its JSON is stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// "frozen", "fine-tuned" or "supervised".
    pub trunk: String,
    /// The configuration of the nets.
    pub nets: Value,
    /// What the nets had learned from before; none of a supervised baseline.
    pub learned: Option<Learned>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Length of the vector that the fully connected layer sees.
    pub features: usize,
    /// Parameters of the nets below the head.
    pub trunk_parameters: usize,
    /// Parameters of the head.
    pub head_parameters: usize,
    /// How the classifiers learned.
    pub config: ProbeConfig,
    /// The images that labels are drawn from.
    pub train: SetId,
    /// The images that errors are measured on.
    pub test: SetId,
    /// One row per number of labels.
    pub rows: Vec<Row>,
}

/// How the nets of a model were learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learned {
    /// Number of iterations.
    pub iterations: u64,
    /// The images they were learned from.
    pub data: DataId,
}

/// Which images were used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetId {
    /// Name of the set.
    pub name: String,
    /// Its part, where it has parts.
    pub split: Option<String>,
    /// How many there are.
    pub images: usize,
    /// SHA-256 of pixels and labels.
    pub sha256: String,
}

/// The classifiers of one number of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Labelled images learned from.
    pub labels: usize,
    /// Mean test error over the seeds, percent.
    pub mean: f64,
    /// Standard deviation of the test error over the seeds (divisor n), percent.
    pub std: f64,
    /// The classifiers one by one.
    pub seeds: Vec<Outcome>,
}

/// One classifier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Test images classified wrongly, percent.
    pub test_error: f64,
    /// The same for the held-out images, after the epoch that was kept.
    pub validation_error: Option<f64>,
    /// The same for the images learned from.
    pub train_error: f64,
    /// The epoch that was kept, from 1.
    pub epoch: usize,
    /// Mean loss in the last epoch.
    pub last_loss: f64,
}

/// How far a study is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// A classifier has done an epoch.
    Epoch {
        /// Its labelled images.
        labels: usize,
        /// Its seed.
        seed: u64,
        /// The epoch.
        epoch: Epoch,
    },
    /// A classifier has been measured.
    Measured {
        /// Its labelled images.
        labels: usize,
        /// What came out.
        outcome: Outcome,
    },
}

impl Study<'_> {
    /// Learns and measures all classifiers. Everything is a function of the images, the start and the seeds.
    ///
    /// # Errors
    /// No number of labels or no seed; images that do not fit; a class with too few of them; learning that diverges.
    pub fn run(
        &self,
        train: &Labelled,
        test: &Labelled,
        observer: &mut dyn FnMut(&Progress),
    ) -> Result<Findings> {
        self.check(train, test)?;
        let mut rows = Vec::new();
        for &labels in &self.labels {
            let outcomes = self.seeds.iter().map(|&seed| {
                let outcome = self.one(labels, seed, train, test, observer)?;
                observer(&Progress::Measured { labels, outcome });
                Ok(outcome)
            });
            rows.push(Row::of(labels, outcomes.collect::<Result<_>>()?)?);
        }
        self.findings(train, test, rows)
    }

    fn findings(&self, train: &Labelled, test: &Labelled, rows: Vec<Row>) -> Result<Findings> {
        let probe = self.start.probe(train.classes().len(), Key::new(0))?;
        let (trunk_parameters, head_parameters) = probe.parameters();
        Ok(Findings {
            trunk: self.start.name().to_string(),
            nets: self.start.nets(),
            learned: self.start.learned(),
            classes: train.classes().to_vec(),
            features: probe.features(),
            trunk_parameters,
            head_parameters,
            config: self.config.clone(),
            train: SetId::of(train),
            test: SetId::of(test),
            rows,
        })
    }

    /// Finds out what cannot work before anything long is begun.
    fn check(&self, train: &Labelled, test: &Labelled) -> Result<()> {
        let none = |name: &'static str| {
            let (value, must) = ("empty".to_string(), "a list of at least one".to_string());
            Err(Error::Setting { name, value, must })
        };
        if self.labels.is_empty() {
            return none("the list of numbers of labels");
        }
        if self.seeds.is_empty() {
            return none("the list of seeds");
        }
        self.config.check()?;
        let probe = self.start.probe(train.classes().len(), Key::new(0))?;
        probe.check(train)?;
        probe.check(test)?;
        for &labels in &self.labels {
            train.draw(labels, self.config.validation, Key::new(self.seeds[0]))?;
        }
        Ok(())
    }

    fn one(
        &self,
        labels: usize,
        seed: u64,
        train: &Labelled,
        test: &Labelled,
        observer: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome> {
        let key = Key::new(seed).named("probe");
        let draw = train.draw(labels, self.config.validation, key)?;
        let probe = self.start.probe(train.classes().len(), key)?;
        let learns = self.start.learns();
        let mut heard = |epoch: &Epoch| observer(&Progress::Epoch { labels, seed, epoch: *epoch });
        let fitted = fit(&probe, &draw, learns, &self.config, key.fold(labels as u64), &mut heard)?;
        Ok(Outcome {
            seed,
            test_error: fitted.probe.error_rate(test, &mut |_| {})?,
            validation_error: fitted.best.validation_error,
            train_error: fitted.probe.error_rate(&draw.learn, &mut |_| {})?,
            epoch: fitted.best.number,
            last_loss: fitted.epochs.last().map_or(f64::NAN, |epoch| epoch.loss),
        })
    }
}

impl TrunkStart<'_> {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            TrunkStart::Frozen(_) => "frozen",
            TrunkStart::FineTuned(_) => "fine-tuned",
            TrunkStart::Supervised(..) => "supervised",
        }
    }

    /// A probe that has learned nothing from labels yet.
    ///
    /// # Errors
    /// As for [`Probe::on_model`] and [`Probe::from_scratch`].
    pub fn probe(&self, classes: usize, key: Key) -> Result<Probe> {
        match self {
            TrunkStart::Frozen(model) | TrunkStart::FineTuned(model) => Probe::on_model(*model, classes, key),
            TrunkStart::Supervised(settings, device) => Probe::from_scratch(settings, classes, key, device),
        }
    }

    /// The configuration of the nets.
    pub fn nets(&self) -> Value {
        match self {
            TrunkStart::Frozen(model) | TrunkStart::FineTuned(model) => {
                model.header().config["model"].clone()
            }
            TrunkStart::Supervised(settings, _) => serde_json::to_value(&settings.model).unwrap_or_default(),
        }
    }

    fn learned(&self) -> Option<Learned> {
        match self {
            TrunkStart::Frozen(model) | TrunkStart::FineTuned(model) => {
                let (iterations, data) = (model.header().iteration, model.header().data.clone());
                Some(Learned { iterations, data })
            }
            TrunkStart::Supervised(..) => None,
        }
    }

    fn learns(&self) -> Learns {
        match self {
            TrunkStart::Frozen(_) => Learns::Head,
            TrunkStart::FineTuned(_) | TrunkStart::Supervised(..) => Learns::All,
        }
    }
}

impl Row {
    fn of(labels: usize, seeds: Vec<Outcome>) -> Result<Self> {
        let errors: Vec<f64> = seeds.iter().map(|outcome| outcome.test_error).collect();
        let Score { mean, std_dev, .. } = Score::of(&errors)?;
        Ok(Row { labels, mean, std: std_dev, seeds })
    }

    /// Its test error as a score.
    pub fn score(&self) -> Score {
        Score { mean: self.mean, std_dev: self.std, n: self.seeds.len() }
    }
}

impl SetId {
    fn of(set: &Labelled) -> Self {
        let (data, images) = (set.data(), set.len());
        let (name, split) = (data.name().to_string(), data.split().map(str::to_string));
        SetId { name, split, images, sha256: data.content_hash().to_string() }
    }
}
