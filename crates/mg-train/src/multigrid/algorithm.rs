use candle_core::Tensor;
use mg_energy::EnergyNet;
use mg_langevin::{ChainKey, Run, climb};
use mg_model::multigrid::{ChainStart, Place, Sampler, with_levels};
use mg_pyramid::Pyramid;

use super::learner::MultigridLearner;
use super::masks::HeldGrids;
use super::rate_factor;
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
        let begin = self.begin(&observed, batch)?;
        let chains = self.synthesize(&energies, minimal, &begin, &observed, batch, at)?;

        // Step 5: theta^(s) goes a step of size gamma_t up the gradient of the log-likelihood, equation (7).
        let mut gradients = Vec::new();
        let factor = rate_factor(&self.config.learn, at.passes);
        let on_grids = energies.iter().zip(observed.above_minimal()).zip(&chains);
        for (grid, ((energy, images), run)) in self.grids.iter_mut().zip(on_grids) {
            let gradient = grid.gradient(&energy.net, (images, &run.x), batch.part, at.peers)?;
            let gamma = grid.rate * factor * at.rate_scale;
            grid.update(&gradient, gamma)?;
            gradients.push(gradient);
        }

        self.keep(&chains, batch, at)?;
        self.report(&observed, &chains, &gradients, at)
    }

    /// The energies U = -log p0 - f of all grids, coarse to fine.
    fn energies(&self, observed: &Pyramid, at: &At<'_>) -> Result<Vec<EnergyNet>> {
        let reference = self.config.settings.reference();
        let grids = self.grids.iter().zip(observed.above_minimal());
        grids.map(|(grid, observed)| grid.energy(reference, observed, at.peers)).collect()
    }

    /// The images that the chains of every grid begin at: none where they begin at the coarser sample, scaled up
    /// (multi-grid and single-grid); the observed images (contrastive divergence); where the chain of the same image ended
    /// last time (persistent contrastive divergence).
    fn begin(&self, observed: &Pyramid, batch: &Batch) -> Result<Vec<Option<Tensor>>> {
        let grids = self.grids.iter().zip(&self.ended).zip(observed.above_minimal());
        let begin = grids.map(|((grid, ended), observed)| match grid.start {
            ChainStart::Coarser => Ok(None),
            ChainStart::Data => Ok(Some(observed.clone())),
            ChainStart::Persistent => ended.get(&batch.numbers, &batch.flips, observed).map(Some),
        });
        begin.collect()
    }

    /// Runs the chains of all grids, from `minimal` on.
    fn synthesize(
        &self,
        energies: &[EnergyNet],
        minimal: &Tensor,
        begin: &[Option<Tensor>],
        observed: &Pyramid,
        batch: &Batch,
        at: &mut At<'_>,
    ) -> Result<Vec<Run>> {
        let settings = &self.config.settings;
        let samplers = Sampler::all(settings);
        let held = HeldGrids::new(settings.chains.hidden_square, observed, batch)?;
        let places = begin.iter().zip(held.all(observed));
        let places = places.map(|(begin, held)| Place { begin: begin.as_ref(), held });
        let places: Vec<Place<'_>> = places.collect();
        let key = ChainKey { key: at.key.named("chains"), first: batch.part.first };
        let runs = with_levels(settings.sides(), &samplers, energies, &self.starts, &places, |levels| {
            let share = 1.0 / levels.len() as f64;
            Ok(climb(levels, minimal, key, &mut |p| {
                (at.progress)(share * (p.level as f64 + (p.step + 1) as f64 / p.n_steps as f64));
                Ok(())
            })?)
        });
        Ok(runs?)
    }

    /// Keeps where chains ended, on grids where they persist.
    fn keep(&mut self, chains: &[Run], batch: &Batch, at: &At<'_>) -> Result<()> {
        for ((grid, ended), run) in self.grids.iter().zip(&mut self.ended).zip(chains) {
            if grid.start == ChainStart::Persistent {
                ended.put(&batch.numbers, &batch.flips, &run.x, at.peers)?;
            }
        }
        Ok(())
    }
}
