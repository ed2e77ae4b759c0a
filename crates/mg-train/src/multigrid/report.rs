use candle_core::{DType, Tensor};
use mg_eval::SampleStatistics;
use mg_langevin::Run;
use mg_pyramid::Pyramid;

use super::learner::MultigridLearner;
use super::{Evidence, Gradient, rate_factor};
use crate::{At, Collective, Report, Result};

impl MultigridLearner {
    /// What one iteration looked like on every grid, `grid16.gap` and so on, about the images of all peers.
    ///
    /// | name | meaning |
    /// |---|---|
    /// | gap | mean score of synthesized minus mean score of observed images: near zero where sampling and learning keep up with each other |
    /// | score | mean score of the observed images |
    /// | difference | mean absolute difference of an observed image and its chain, grey levels of 255 |
    /// | deviation, data_deviation | standard deviation of the pixels of chains, and of observed images, in [-1, 1] |
    /// | saturation, data_saturation | share of these pixels at the ends of the range |
    /// | first_energy, last_energy | mean energy of the chains at their first and last step |
    /// | gradient_norm | mean norm of the energy's gradient at the last step |
    /// | acceptance | share of accepted proposals (MALA, HMC) |
    /// | error | where the law is a flow, in place of all above: mean squared difference of the net's velocities and those of paths to observed images |
    /// | rate | learning rate |
    pub(super) fn report(
        &self,
        observed: &Pyramid,
        chains: &[Option<Run>],
        gradients: &[Gradient],
        at: &At<'_>,
    ) -> Result<Report> {
        let mut report = Report::default();
        let grids = self.grids.iter().zip(observed.above_minimal()).zip(chains.iter().zip(gradients));
        for ((grid, observed), (run, gradient)) in grids {
            let mut say =
                |name: &str, value: f64| report.say(format!("grid{}.{name}", grid.spec.side), value);
            match (&gradient.from, run) {
                (Evidence::Scores { observed: gain, synthesized: lose }, Some(run)) => {
                    tell_scores(&mut say, gain, lose)?;
                    tell_images(&mut say, (observed, &run.x), at.peers)?;
                    tell_chains(&mut say, run, observed.dim(0)?, at.peers)?;
                }
                (Evidence::Errors(errors), _) => say("error", mean(errors)?),
                (Evidence::Scores { .. }, None) => {}
            }
            say("rate", grid.rate * rate_factor(&self.config.learn, at.passes) * at.rate_scale);
        }
        Ok(report)
    }
}

/// Scores of observed and synthesized images.
fn tell_scores(say: &mut dyn FnMut(&str, f64), observed: &Tensor, synthesized: &Tensor) -> Result<()> {
    let score = mean(observed)?;
    say("gap", mean(synthesized)? - score);
    say("score", score);
    Ok(())
}

/// Pixels of observed and synthesized images.
fn tell_images(
    say: &mut dyn FnMut(&str, f64),
    (observed, chains): (&Tensor, &Tensor),
    peers: &dyn Collective,
) -> Result<()> {
    let (observed, chains) = (peers.gather(observed)?, peers.gather(chains)?);
    say("difference", mean(&(&observed - &chains)?.abs()?)? * 127.5);
    let (ours, theirs) = (SampleStatistics::of(&chains)?, SampleStatistics::of(&observed)?);
    say("deviation", ours.std_dev);
    say("data_deviation", theirs.std_dev);
    say("saturation", ours.saturated);
    say("data_saturation", theirs.saturated);
    Ok(())
}

/// Means over the chains of all peers, `n` of them here.
fn tell_chains(say: &mut dyn FnMut(&str, f64), run: &Run, n: usize, peers: &dyn Collective) -> Result<()> {
    let trace = &run.trace;
    let over_peers = |value: Option<f64>| mean_over_peers(value.unwrap_or(0.0), n, peers);
    say("first_energy", over_peers(trace.energy.first().copied())?);
    say("last_energy", over_peers(trace.energy.last().copied())?);
    say("gradient_norm", over_peers(trace.grad_norm.last().copied())?);
    if let Some(acceptance) = trace.mean_acceptance() {
        say("acceptance", over_peers(Some(acceptance))?);
    }
    Ok(())
}

/// The mean of all numbers of a tensor: taken in its own type where it is one of images, in f64 of scores.
fn mean(x: &Tensor) -> Result<f64> {
    let x = if x.rank() == 1 { x.to_dtype(DType::F64)? } else { x.clone() };
    Ok(x.mean_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

/// The mean over the images of all peers of a value that is a mean over the `n` images of each.
fn mean_over_peers(value: f64, n: usize, peers: &dyn Collective) -> Result<f64> {
    if peers.size() == 1 {
        return Ok(value);
    }
    let mine = Tensor::new(&[[value * n as f64, n as f64]], &candle_core::Device::Cpu)?; // [1, 2]
    let all = peers.gather(&mine)?.sum(0)?.to_vec1::<f64>()?;
    Ok(all[0] / all[1])
}
