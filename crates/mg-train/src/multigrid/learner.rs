use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_langevin::{Begin, ChainKey, Held, Level, Run, climb, unobserved};
use mg_pyramid::{Mask, Pyramid};
use mg_random::Key;

use crate::batches::{Batches, turn};
use crate::chain_starts::ChainStarts;
use crate::classes::Class;
use crate::config::{Config, Start};
use crate::grid_model::GridModel;
use crate::persistent::PersistentChains;
use crate::report::{GridReport, Report};
use crate::sampler::Sampler;
use crate::schedule::rate_factor;
use crate::{Error, Result};

/// Algorithm 1: learns one energy-based model per grid from the difference of observed and synthesized images.
///
/// Multi-grid, single-grid, CD and persistent CD are this learner with other grids, starts and steps. It holds no
/// generator: iteration t is a function of the state, the data, the seed and t.
#[derive(Debug)]
pub struct Contrastive {
    config: Config,
    device: Device,
    key: Key,
    classes: Vec<Learned>,
    batches: Batches,
    /// Factor on all learning rates; the guard lowers it.
    pub rate_scale: f64,
}

/// One class (or all images) with its models, coarse to fine.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Which images.
    pub class: Class,
    /// What its chains begin with.
    pub starts: ChainStarts,
    /// A model per grid.
    pub grids: Vec<GridModel>,
    /// The chains of grids where they persist.
    chains: Vec<Option<PersistentChains>>,
}

/// A batch of observed images.
struct Batch {
    /// Their numbers in the data set.
    numbers: Vec<u64>,
    flips: Vec<bool>,
    pyramid: Pyramid,
    /// Masks of hidden pixels (section 6.4), one an image; none when all pixels move.
    masks: Option<Vec<Mask>>,
}

impl Contrastive {
    /// A learner that has learned nothing yet. Reads the data for the laws that chains begin with.
    ///
    /// # Errors
    /// When the data do not fit the configuration: too few images, no labels for conditional models, another side.
    pub fn new(config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        let key = Key::new(config.seed);
        let mut learner = Contrastive {
            config: config.clone(),
            device: device.clone(),
            key,
            classes: Vec::new(),
            batches: Batches::default(),
            rate_scale: 1.0,
        };
        for class in Class::all(config, data, key)? {
            let starts = ChainStarts::learn(&class, config, key, device)?;
            let batch = learner.batch(&class, 0)?;
            let key = key.named(&class.name);
            let levels = 0..config.sides().len();
            let grid = |level| GridModel::init(config, level, key, batch.at(level)?, device);
            let grids = levels.clone().map(grid).collect::<Result<_>>()?;
            let persists = |level| config.chains.start.at(level) == Start::Persistent;
            let chains = levels.map(|level| persists(level).then(PersistentChains::default)).collect();
            learner.classes.push(Learned { class, starts, grids, chains });
        }
        Ok(learner)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The classes with their models.
    pub fn classes(&self) -> &[Learned] {
        &self.classes
    }

    /// Iteration number `iteration`, from 0: one batch of one class, a sweep of its chains, one update per grid.
    /// `progress` hears the number of grids done.
    ///
    /// # Errors
    /// When the data cannot be read or a tensor operation fails. Numbers that are not finite are no error here: the
    /// report shows them, and the guard acts on them.
    pub fn step(&mut self, iteration: u64, progress: &mut dyn FnMut(usize)) -> Result<Report> {
        let (number, turn) = turn(iteration, self.classes.len());
        let (classes, flip) = (self.classes.iter().map(|learned| &learned.class), self.config.data.flip);
        let images = self.batches.of(iteration, classes, flip, &self.device)?;
        let batch = self.observe(&self.classes[number].class, turn, images)?;
        let passes = self.classes[number].class.order.passes(turn);
        let key = self.key.fold(iteration).named("chains");

        let mut coarser = batch.pyramid.minimal().clone(); // [n, c, 1, 1]
        let mut grids = Vec::new();
        for level in 0..self.config.sides().len() {
            let grid = &self.classes[number].grids[level];
            let energy = grid.energy(self.config.reference(), batch.at(level)?)?;
            let chains = self.synthesize(number, level, &energy, &coarser, &batch, key.fold(level as u64))?;
            grids.push(self.learn(number, level, &energy.net, &chains, &batch, passes)?);
            if let Some(kept) = &mut self.classes[number].chains[level] {
                kept.put(&batch.numbers, &batch.flips, &chains.x)?;
            }
            coarser = chains.x;
            progress(level + 1);
        }
        let class = (self.classes.len() > 1).then(|| self.classes[number].class.name.clone());
        Ok(Report { iteration: iteration + 1, passes, class, grids })
    }

    /// The images that the chains of a grid begin at, where they do not begin at the coarser sample.
    fn start(&self, number: usize, level: usize, batch: &Batch) -> Result<Option<Tensor>> {
        let observed = batch.at(level)?;
        match (self.config.chains.start.at(level), &self.classes[number].chains[level]) {
            (Start::Coarser, _) => Ok(None),
            (Start::Persistent, Some(chains)) => Ok(Some(chains.get(&batch.numbers, &batch.flips, observed)?)),
            (Start::Data | Start::Persistent, _) => Ok(Some(observed.clone())),
        }
    }

    /// Runs the chains of a grid; with masks, only hidden pixels move. Pixels that are known hold what the observed image
    /// has there, not the mean of their observed part, by which alone energies would tell chains from images.
    fn synthesize(
        &self,
        number: usize,
        level: usize,
        energy: &mg_energy::EnergyNet,
        coarser: &Tensor,
        batch: &Batch,
        key: Key,
    ) -> Result<Run> {
        let sampler = Sampler::new(&self.config, level);
        let (kernels, bounded) = (sampler.kernels(), Sampler::bounded(energy));
        let kernels = Sampler::borrowed(&kernels);
        let gaussian = self.classes[number].starts.gaussians[level].as_ref();
        let grid = sampler.level(self.config.sides()[level], energy, &bounded, &kernels, gaussian);
        let start = self.start(number, level, batch)?;
        let grid = Level { begin: start.as_ref().map_or(grid.begin, Begin::At), ..grid };
        let known = batch.masks.as_ref().map(|masks| Mask::known(masks, batch.pyramid.finest(), grid.side));
        let known = known.transpose()?;
        let values = batch.at(level)?;
        let held = known.as_ref().map(|(known, _)| Held { known, values });
        Ok(climb(&[Level { held, ..grid }], coarser, key, &mut unobserved)?.remove(0))
    }

    /// One update of a grid, and what there is to say of it.
    fn learn(
        &mut self,
        number: usize,
        level: usize,
        net: &mg_energy::ConvNet,
        chains: &Run,
        batch: &Batch,
        passes: f64,
    ) -> Result<GridReport> {
        let learn = &self.config.learn;
        let rate = learn.rate.at(level) * rate_factor(learn, passes) * self.rate_scale;
        let observed = batch.at(level)?;
        let scores = self.classes[number].grids[level].learn(net, observed, &chains.x, &self.config, rate)?;
        let difference = (observed - &chains.x)?.abs()?.mean_all()?.to_dtype(candle_core::DType::F64)?;
        let (ours, theirs) =
            (mg_eval::SampleStatistics::of(&chains.x)?, mg_eval::SampleStatistics::of(observed)?);
        let first_and_last = |values: &[f64]| match values {
            [first, .., last] => [*first, *last],
            [only] => [*only; 2],
            [] => [0.0; 2],
        };
        Ok(GridReport {
            side: self.config.sides()[level],
            gap: scores.synthesized - scores.observed,
            score: scores.observed,
            difference: difference.to_scalar::<f64>()? * 127.5,
            deviation: ours.std_dev,
            data_deviation: theirs.std_dev,
            saturation: ours.saturated,
            data_saturation: theirs.saturated,
            energy: first_and_last(&chains.trace.energy),
            gradient_norm: first_and_last(&chains.trace.grad_norm)[1],
            acceptance: chains.trace.mean_acceptance(),
            rate,
        })
    }

    /// Batch number `turn` of a class.
    fn batch(&self, class: &Class, turn: u64) -> Result<Batch> {
        let (numbers, flips) = self.numbers(class, turn);
        self.observe(class, turn, class.data.batch(&numbers, &flips, &self.device)?)
    }

    /// Which images batch number `turn` of a class holds, and which of them are mirrored.
    fn numbers(&self, class: &Class, turn: u64) -> (Vec<u64>, Vec<bool>) {
        let numbers = class.order.batch_indices(turn);
        let flips = match self.config.data.flip {
            true => class.order.flips(turn),
            false => vec![false; numbers.len()],
        };
        (numbers, flips)
    }

    /// Batch number `turn` of a class out of its images as they are in the set, [n, c, s, s].
    fn observe(&self, class: &Class, turn: u64, mut images: Tensor) -> Result<Batch> {
        let key = self.key.named("data").named(&class.name).fold(turn);
        let (numbers, flips) = self.numbers(class, turn);
        if self.config.data.noise > 0.0 {
            let noise = ChainKey::from(key.named("noise")).normal_like(&images)?;
            images = (images + (noise * self.config.data.noise)?)?.clamp(-1.0, 1.0)?;
        }
        let masks = match self.config.chains.hidden_square {
            0 => None,
            size => {
                let side = class.data.side();
                let mask = |i| Mask::random_square(side, size, key.named("mask").fold(i as u64));
                Some((0..numbers.len()).map(mask).collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Batch { numbers, flips, pyramid: Pyramid::of(&images, &self.config.grids()?)?, masks })
    }

    /// The observed batch that class number `number` is learned from in the iteration at hand, on every grid above 1x1,
    /// coarse to fine: what statistics of a finished model are taken from.
    pub fn observed(&self, number: usize, iteration: u64) -> Result<Vec<Tensor>> {
        let batch = self.batch(&self.classes[number].class, turn(iteration, self.classes.len()).1)?;
        (0..self.config.sides().len()).map(|level| batch.at(level).cloned()).collect()
    }

    /// The whole state by name: parameters, averages, optimiser moments, statistics, 1x1 histograms, persistent chains.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (c, learned) in self.classes.iter().enumerate() {
            learned.starts.save(c, &mut tensors)?;
            for grid in &learned.grids {
                grid.save(&format!("class{c}.grid{}", grid.spec.side), &mut tensors);
            }
            for (side, chains) in self.config.sides().iter().zip(&learned.chains) {
                if let Some(chains) = chains {
                    chains.save(&format!("class{c}.grid{side}.chains"), &mut tensors)?;
                }
            }
        }
        Ok(tensors)
    }

    /// Number of updates of every class and grid: the part of the state that is no tensor.
    pub fn updates(&self) -> Vec<Vec<u64>> {
        self.classes.iter().map(|class| class.grids.iter().map(GridModel::updates).collect()).collect()
    }

    /// Takes over what [`state`](Contrastive::state) and [`updates`](Contrastive::updates) said.
    ///
    /// # Errors
    /// When something is missing or of another shape; the learner is then not to be used.
    pub fn restore(&mut self, updates: &[Vec<u64>], tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let fits = updates.len() == self.classes.len()
            && updates.iter().all(|u| u.len() == self.config.sides().len());
        if !fits {
            let (found, needed) = (updates.len(), self.classes.len());
            return Err(Error::Class(format!(
                "the state of {found} classes does not fit a run of {needed} with {} grids; it belongs to another run",
                self.config.sides().len()
            )));
        }
        for (c, (learned, updates)) in self.classes.iter_mut().zip(updates).enumerate() {
            learned.starts = ChainStarts::restore(c, &self.config, tensors)?;
            for (grid, &updates) in learned.grids.iter_mut().zip(updates) {
                grid.restore(&format!("class{c}.grid{}", grid.spec.side), updates, tensors)?;
            }
            for (side, chains) in self.config.sides().iter().zip(&mut learned.chains) {
                if let Some(chains) = chains {
                    *chains = PersistentChains::restore(&format!("class{c}.grid{side}.chains"), tensors)?;
                }
            }
        }
        Ok(())
    }
}

impl Batch {
    /// The observed images on grid number `level`, coarse to fine, the 1x1 grid left out.
    fn at(&self, level: usize) -> Result<&Tensor> {
        let images = self.pyramid.level(level + 1);
        images.ok_or_else(|| {
            Error::value("model.grids", format!("without grid number {level}"), "longer".into())
        })
    }
}
