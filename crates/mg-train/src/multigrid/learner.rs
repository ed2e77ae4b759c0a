use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::{Energy, Norm};
use mg_model::multigrid::{ChainStarts, MultigridClass, Sampler};
use mg_pyramid::Pyramid;
use mg_random::Key;
use serde_json::Value;

use super::limits::limits;
use super::{Grid, MultigridConfig, PersistentChains};
use crate::{Alone, At, Batch, Error, Learner, Limit, Rehearsal, Report, Result, State};

/// Learns one energy per grid from the difference of observed and synthesized images: Algorithm 1, whose loop is in
/// `algorithm.rs`.
///
/// Multi-grid, single-grid, CD and persistent CD are this learner with other grids, starts and steps.
pub struct MultigridLearner {
    pub(super) config: MultigridConfig,
    /// What chains begin with when nothing is observed.
    pub(super) starts: ChainStarts,
    /// Coarse to fine.
    pub(super) grids: Vec<Grid>,
    /// Where the chain of each image ended last time, coarse to fine; empty of grids where chains do not persist.
    pub(super) ended: Vec<PersistentChains>,
}

/// Images that an estimate of time is made with.
const REHEARSED: usize = 8;
/// An update costs about as much as so many steps.
const UPDATE: usize = 4;

impl MultigridLearner {
    /// Step 1 of Algorithm 1: parameters before the first update. `first` reads the first batch, for nets that keep to its
    /// statistics.
    ///
    /// # Errors
    /// When a net cannot be built, or the batch cannot be read.
    pub fn new(
        config: MultigridConfig,
        starts: ChainStarts,
        first: &mut dyn FnMut() -> Result<Batch>,
        key: Key,
        device: &Device,
    ) -> Result<Self> {
        let settings = &config.settings;
        let grid = |level| Grid::new(&config, level, key, device);
        let mut grids = (0..settings.sides().len()).map(grid).collect::<Result<Vec<_>>>()?;
        if grids.iter().any(|grid| grid.spec.norm == Norm::Frozen) {
            let observed = Pyramid::of(&first()?.images, &settings.grids()?)?;
            for (grid, observed) in grids.iter_mut().zip(observed.above_minimal()) {
                grid.freeze(observed)?;
            }
        }
        let ended = vec![PersistentChains::default(); grids.len()];
        Ok(MultigridLearner { starts, grids, ended, config })
    }
}

impl Learner for MultigridLearner {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        self.iterate(batch, at)
    }

    fn state(&self) -> Result<State> {
        let mut tensors = BTreeMap::new();
        self.starts.save(&mut tensors)?;
        for (grid, ended) in self.grids.iter().zip(&self.ended) {
            let prefix = format!("grid{}", grid.spec.side);
            grid.save(&prefix, &mut tensors);
            ended.save(&format!("{prefix}.chains"), &mut tensors)?;
        }
        let updates: Vec<u64> = self.grids.iter().map(Grid::updates).collect();
        Ok(State { tensors, json: Value::from(updates) })
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let updates: Option<Vec<u64>> =
            state.json.as_array().and_then(|all| all.iter().map(Value::as_u64).collect());
        let updates = updates.filter(|updates| updates.len() == self.grids.len()).ok_or_else(|| {
            let grids = self.grids.len();
            Error::Class(format!("the state is not that of {grids} grids; it belongs to another run"))
        })?;
        self.starts = ChainStarts::restore(&self.config.settings, &state.tensors)?;
        for ((grid, ended), updates) in self.grids.iter_mut().zip(&mut self.ended).zip(updates) {
            let prefix = format!("grid{}", grid.spec.side);
            grid.restore(&prefix, updates, &state.tensors)?;
            *ended = PersistentChains::restore(&format!("{prefix}.chains"), &state.tensors)?;
        }
        Ok(())
    }

    fn artefact(&self, next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        let observed = match self.grids.iter().any(Grid::needs_observed) {
            true => Some(Pyramid::of(&next()?.images, &self.config.settings.grids()?)?),
            false => None,
        };
        let on_grid = |level: usize| observed.as_ref().map(|observed| &observed.above_minimal()[level]);
        let grid = |(level, grid): (usize, &Grid)| grid.finished(on_grid(level));
        let grids = self.grids.iter().enumerate().map(grid).collect::<Result<_>>()?;
        Ok(MultigridClass { starts: self.starts.clone(), grids }.tensors()?)
    }

    fn limits(&self) -> Vec<Limit> {
        limits(&self.config)
    }

    fn watched(&self) -> Vec<String> {
        let value = |level| if self.config.settings.is_flow(level) { "error" } else { "gap" };
        let sides = self.config.settings.sides().iter().enumerate();
        sides.map(|(level, side)| format!("grid{side}.{}", value(level))).collect()
    }

    fn describe(&self) -> Vec<String> {
        let counts =
            self.grids.iter().map(|grid| format!("{0}x{0} {1}", grid.spec.side, grid.params.count()));
        let counts: Vec<String> = counts.collect();
        let settings = &self.config.settings;
        let temperature = |level| match settings.is_flow(level) {
            true => "none (a flow)".to_string(),
            false => format!("{:.1e}", Sampler::new(settings, level).temperature()),
        };
        let temperatures = (0..self.grids.len()).map(temperature);
        let temperatures: Vec<String> = temperatures.collect();
        vec![
            format!("parameters {}", counts.join(", ")),
            format!("temperature of the chains (noise_scale^2 / 2 step_size) {}", temperatures.join(", ")),
        ]
    }

    fn rehearsals(&self) -> Vec<Rehearsal<'_>> {
        let (settings, batch) = (&self.config.settings, self.config.settings.batch);
        let n = REHEARSED.min(batch).max(2);
        let rehearsal = |(level, grid): (usize, &Grid)| -> Result<Rehearsal<'_>> {
            let spec = &grid.spec;
            let device = grid.params.iter().next().map_or(&Device::Cpu, |(_, tensor)| tensor.device());
            let x = Tensor::zeros((n, spec.channels, spec.side, spec.side), DType::F32, device)?;
            let energy = grid.energy(settings.reference(), &x, &Alone)?;
            let work = move || {
                // Reading a number waits for the device.
                energy.value_and_grad(&x)?.energy.sum_all()?.to_scalar::<f32>()?;
                Ok(())
            };
            let steps = if self.has_chains(level) { settings.chains.steps.at(level) } else { 0 };
            let steps = steps + UPDATE;
            Ok(Rehearsal { work: Box::new(work), times: (steps * batch) as f64 / n as f64 })
        };
        self.grids.iter().enumerate().filter_map(|grid| rehearsal(grid).ok()).collect()
    }
}
