use candle_core::Tensor;
use mg_energy::{EnergyNet, Targets};
use mg_langevin::{ChainKey, Run, climb};
use mg_model::multigrid::{ChainStart, Paths, Place, Sampled, Sampler, with_levels};
use mg_pyramid::Pyramid;

use super::learner::MultigridLearner;
use super::masks::HeldGrids;
use super::{Grid, rate_factor};
use crate::{At, Batch, Report, Result};

/// Algorithm 1 of Gao et al., CVPR 2018, from step 3 on: one iteration of its loop.
impl MultigridLearner {
    /// Learns from one batch of observed images, `batch.images` [n, c, s, s].
    pub(super) fn iterate(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        // Input (1): the observed images on every grid, Y^(s), s = 0, ..., S.
        let observed = Pyramid::of(&batch.images, &self.config.settings.grids()?)?;
        let energies = self.energies(&observed, at)?;

        // Step 3: every chain begins at the 1x1 version of its observed image.
        let minimal = observed.minimal(); // [n, c, 1, 1]

        // Step 4: from coarse to fine, chains begin at the coarser sample, scaled up, and run l steps of equation (6).
        let begin = self.begin(&observed, batch, at)?;
        let chains = self.synthesize(&energies, minimal, &begin, &observed, batch, at)?;

        // Step 5: theta^(s) goes a step of size gamma_t up the gradient of the log-likelihood, equation (7); where the law is
        // a flow, down that of the error of its velocities.
        let mut gradients = Vec::new();
        let factor = rate_factor(&self.config.learn, at.passes);
        for (level, images) in observed.above_minimal().iter().enumerate() {
            let gradient = match (&energies[level], &chains[level]) {
                (Some(energy), Some(run)) if !self.config.settings.is_flow(level) => {
                    self.grids[level].contrast(&energy.net, (images, &run.x), batch.part, at.peers)?
                }
                _ => {
                    let begin = self.reduced(level, &observed, batch, at)?;
                    let (gaussian, times) = (self.starts.gaussians[level].as_ref(), times(level, batch, at));
                    let paths = Paths { begin: &begin, end: images, gaussian, times: &times };
                    let (x, velocities) = paths.points()?;
                    let targets = Targets { x: &x, times: &times, gradients: &velocities };
                    self.grids[level].matching(&targets, batch.part, at.peers)?
                }
            };
            let grid = &mut self.grids[level];
            let gamma = grid.rate * factor * at.rate_scale;
            grid.update(&gradient, gamma)?;
            gradients.push(gradient);
        }

        self.keep(&chains, batch, at)?;
        self.report(&observed, &chains, &gradients, at)
    }

    /// The energies U = -log p0 - f of the grids that chains run on, coarse to fine.
    fn energies(&self, observed: &Pyramid, at: &At<'_>) -> Result<Vec<Option<EnergyNet>>> {
        let reference = self.config.settings.reference();
        let grids = self.grids.iter().zip(observed.above_minimal()).enumerate();
        let energy = |(level, (grid, observed)): (usize, (&Grid, &Tensor))| {
            self.has_chains(level).then(|| grid.energy(reference, observed, at.peers)).transpose()
        };
        grids.map(energy).collect()
    }

    /// Whether chains run on grid number `level`: those of its own density, or those that begin on the next one at their
    /// sample.
    pub(super) fn has_chains(&self, level: usize) -> bool {
        let next_begins_here = || {
            let next = self.grids.get(level + 1);
            next.is_some_and(|next| next.start == ChainStart::Coarser) && self.has_chains(level + 1)
        };
        level < self.grids.len() && (!self.config.settings.is_flow(level) || next_begins_here())
    }

    /// The images that the chains of every grid begin at: none where they begin at the coarser sample, scaled up
    /// (multi-grid and single-grid); the observed images' coarser version, scaled up; the observed images (contrastive
    /// divergence); where the chain of the same image ended last time (persistent contrastive divergence).
    fn begin(&self, observed: &Pyramid, batch: &Batch, at: &At<'_>) -> Result<Vec<Option<Tensor>>> {
        let grids = self.grids.iter().zip(&self.ended).zip(observed.above_minimal()).enumerate();
        let begin = grids.map(|(level, ((grid, ended), images))| match grid.start {
            ChainStart::Coarser => Ok(None),
            ChainStart::Reduced if !self.has_chains(level) => Ok(None),
            ChainStart::Reduced => self.reduced(level, observed, batch, at).map(Some),
            ChainStart::Data => Ok(Some(images.clone())),
            ChainStart::Persistent => ended.get(&batch.numbers, &batch.flips, images).map(Some),
        });
        begin.collect()
    }

    /// The observed images' version on the grid below number `level`, scaled up to it as its chains begin.
    fn reduced(&self, level: usize, observed: &Pyramid, batch: &Batch, at: &At<'_>) -> Result<Tensor> {
        let sampler = Sampler::new(&self.config.settings, level);
        let upscaling = sampler.upscaling(self.starts.gaussians[level].as_ref());
        let key = ChainKey { key: at.key.named("reduced").fold(level as u64), first: batch.part.first };
        Ok(upscaling.draw(&observed.levels()[level], self.grids[level].spec.side, key)?)
    }

    /// Runs the chains of all grids that have some, from `minimal` on.
    fn synthesize(
        &self,
        energies: &[Option<EnergyNet>],
        minimal: &Tensor,
        begin: &[Option<Tensor>],
        observed: &Pyramid,
        batch: &Batch,
        at: &mut At<'_>,
    ) -> Result<Vec<Option<Run>>> {
        let settings = &self.config.settings;
        let held = HeldGrids::new(settings.chains.hidden_square, observed, batch)?;
        let held: Vec<_> = held.all(observed).collect();
        let grids = energies.iter().enumerate().filter_map(|(level, energy)| {
            let place = Place { begin: begin[level].as_ref(), held: held[level] };
            let gaussian = self.starts.gaussians[level].as_ref();
            let sampler = Sampler::new(settings, level);
            Some(Sampled { sampler, energy: energy.as_ref()?, gaussian, place })
        });
        let grids: Vec<Sampled<'_>> = grids.collect();
        let key = ChainKey { key: at.key.named("chains"), first: batch.part.first };
        let runs = with_levels(&grids, |levels| {
            let share = 1.0 / levels.len() as f64;
            Ok(climb(levels, minimal, key, &mut |p| {
                (at.progress)(share * (p.level as f64 + (p.step + 1) as f64 / p.n_steps as f64));
                Ok(())
            })?)
        })?;
        let mut runs = runs.into_iter();
        Ok(energies.iter().map(|energy| energy.as_ref().and_then(|_| runs.next())).collect())
    }

    /// Keeps where chains ended, on grids where they persist.
    fn keep(&mut self, chains: &[Option<Run>], batch: &Batch, at: &At<'_>) -> Result<()> {
        for ((grid, ended), run) in self.grids.iter().zip(&mut self.ended).zip(chains) {
            if let (ChainStart::Persistent, Some(run)) = (grid.start, run) {
                ended.put(&batch.numbers, &batch.flips, &run.x, at.peers)?;
            }
        }
        Ok(())
    }
}

/// The points of paths, spread evenly over [0, 1] by the images' numbers in the whole batch, each at random within its
/// share.
fn times(level: usize, batch: &Batch, at: &At<'_>) -> Vec<f64> {
    let key = at.key.named("times").fold(level as u64);
    let time = |number: usize| {
        let mut u = [0f32];
        key.fold(number as u64).fill_uniform(&mut u);
        (number as f64 + f64::from(u[0])) / batch.part.of as f64
    };
    (batch.part.first..batch.part.first + batch.numbers.len()).map(time).collect()
}
