use candle_core::Tensor;
use mg_energy::EnergyNet;
use mg_langevin::{ChainKey, Run, climb};
use mg_model::multigrid::{ChainStart, Place, Sampler, with_levels};
use mg_pyramid::Pyramid;

use super::learner::MultigridLearner;
use super::masks::HeldGrids;
use super::rate_factor;
use super::report::GridIteration;
use crate::{At, Batch, Report, Result};

/// Algorithm 1 of Gao et al., CVPR 2018, from step 3 on: one iteration of its loop.
impl MultigridLearner {
    /// Learns from one batch of observed images, `batch.images` [n, c, s, s].
    pub(super) fn iterate(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        // Input (1): the observed images on every grid, Y^(s), s = 0, ..., S.
        let observed = Pyramid::of(&batch.images, &self.config.settings.grids()?)?;
        let energies = self.energies(&observed, at)?;

        // Steps 3 and 4: from coarse to fine, chains begin and run l steps of Langevin dynamics, equation (6).
        let begin = self.begin(&observed, batch)?;
        let chains = self.synthesize(&energies, &begin, &observed, batch, at)?;

        // Step 5: every theta^(s) goes a step of size gamma_t up the gradient of its log-likelihood, equation (7).
        let mut report = Report::default();
        for (level, run) in chains.iter().enumerate() {
            let images = (&observed.levels()[level + 1], &run.x);
            let gradient = self.grids[level].gradient(&energies[level].net, images, batch.part, at.peers)?;
            let rate = self.rate(level, at);
            self.grids[level].update(&gradient, rate)?;

            let side = self.grids[level].spec.side;
            GridIteration { side, observed: images.0, run, gradient: &gradient, rate }
                .tell(&mut report, at.peers)?;
        }
        self.keep(batch, &chains, at)?;
        Ok(report)
    }

    /// The energies U = -log p0 - f of all grids, coarse to fine.
    fn energies(&self, observed: &Pyramid, at: &At<'_>) -> Result<Vec<EnergyNet>> {
        let reference = self.config.settings.reference();
        let grids = self.grids.iter().zip(&observed.levels()[1..]);
        grids.map(|(grid, observed)| grid.energy(reference, observed, at.peers)).collect()
    }

    /// The images that the chains of every grid begin at: none where they begin at the coarser sample, scaled up
    /// (multi-grid and single-grid); the observed images (contrastive divergence); where the chain of the same image ended
    /// last time (persistent contrastive divergence).
    fn begin(&self, observed: &Pyramid, batch: &Batch) -> Result<Vec<Option<Tensor>>> {
        let of = |(level, observed): (usize, &Tensor)| match self.config.settings.chains.start.at(level) {
            ChainStart::Coarser => Ok(None),
            ChainStart::Data => Ok(Some(observed.clone())),
            ChainStart::Persistent => self.ended[level].get(&batch.numbers, &batch.flips, observed).map(Some),
        };
        observed.levels()[1..].iter().enumerate().map(of).collect()
    }

    /// Runs the chains of all grids. The coarsest begin at the observed images' own 1x1 versions, Y^(0).
    fn synthesize(
        &self,
        energies: &[EnergyNet],
        begin: &[Option<Tensor>],
        observed: &Pyramid,
        batch: &Batch,
        at: &mut At<'_>,
    ) -> Result<Vec<Run>> {
        let settings = &self.config.settings;
        let samplers: Vec<Sampler> = (0..energies.len()).map(|level| Sampler::new(settings, level)).collect();
        let held = HeldGrids::new(settings.chains.hidden_square, observed, batch)?;
        let hold = |level: usize| held.as_ref().map(|held| held.of(level, observed));
        let places = begin.iter().enumerate();
        let places = places.map(|(level, begin)| Place { begin: begin.as_ref(), held: hold(level) });
        let places: Vec<Place<'_>> = places.collect();
        let key = ChainKey { key: at.key.named("chains"), first: batch.part.first };
        let runs = with_levels(settings.sides(), &samplers, energies, &self.starts, &places, |levels| {
            Ok(climb(levels, observed.minimal(), key, &mut |p| {
                let of_level = (p.step + 1) as f64 / p.n_steps as f64;
                (at.progress)((p.level as f64 + of_level) / levels.len() as f64);
                Ok(())
            })?)
        });
        Ok(runs?)
    }

    /// The step size gamma_t of a grid.
    fn rate(&self, level: usize, at: &At<'_>) -> f64 {
        let learn = &self.config.learn;
        learn.rate.at(level) * rate_factor(learn, at.passes) * at.rate_scale
    }

    /// Keeps where chains ended, on grids where they persist.
    fn keep(&mut self, batch: &Batch, chains: &[Run], at: &At<'_>) -> Result<()> {
        for (level, run) in chains.iter().enumerate() {
            if self.config.settings.chains.start.at(level) == ChainStart::Persistent {
                self.ended[level].put(&batch.numbers, &batch.flips, &run.x, at.peers)?;
            }
        }
        Ok(())
    }
}
