use candle_core::{DType, Tensor};
use mg_eval::SampleStatistics;
use mg_langevin::Run;

use super::{Gradient, MultigridConfig};
use crate::{Bound, Collective, Limit, Report, Result};

/// What one grid's part of an iteration is told by: `grid16.gap` and so on.
pub(super) struct GridIteration<'a> {
    pub(super) side: usize,
    /// [n, c, s, s]
    pub(super) observed: &'a Tensor,
    pub(super) run: &'a Run,
    pub(super) gradient: &'a Gradient,
    pub(super) rate: f64,
}

impl GridIteration<'_> {
    /// Adds what there is to say of this grid to a report, about the images of all peers.
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
    /// | rate | learning rate |
    pub(super) fn tell(&self, report: &mut Report, peers: &dyn Collective) -> Result<()> {
        let (observed, chains) = (peers.gather(self.observed)?, peers.gather(&self.run.x)?);
        let mut say = |name: &str, value: f64| report.say(format!("grid{}.{name}", self.side), value);
        let score = mean(&self.gradient.observed_scores)?;
        say("gap", mean(&self.gradient.synthesized_scores)? - score);
        say("score", score);
        say("difference", mean(&(&observed - &chains)?.abs()?)? * 127.5);
        let (ours, theirs) = (SampleStatistics::of(&chains)?, SampleStatistics::of(&observed)?);
        say("deviation", ours.std_dev);
        say("data_deviation", theirs.std_dev);
        say("saturation", ours.saturated);
        say("data_saturation", theirs.saturated);
        let trace = &self.run.trace;
        let n = self.observed.dim(0)?;
        let over_peers = |value: Option<f64>| mean_over_peers(value.unwrap_or(0.0), n, peers);
        say("first_energy", over_peers(trace.energy.first().copied())?);
        say("last_energy", over_peers(trace.energy.last().copied())?);
        say("gradient_norm", over_peers(trace.grad_norm.last().copied())?);
        if let Some(acceptance) = trace.mean_acceptance() {
            say("acceptance", over_peers(Some(acceptance))?);
        }
        say("rate", self.rate);
        Ok(())
    }
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

/// What the values of every grid must keep to.
pub(super) fn limits(config: &MultigridConfig) -> Vec<Limit> {
    let guard = &config.guard;
    let of_grid = |side: &usize| {
        let name = |value: &str| format!("grid{side}.{value}");
        let deviation =
            Bound::Times { times: guard.max_deviation_ratio, of: name("data_deviation"), least: 1e-2 };
        let saturation = Bound::Above { by: guard.max_saturation, of: name("data_saturation") };
        [
            Limit { value: name("gap"), bound: Bound::Size(guard.max_gap) },
            Limit { value: name("deviation"), bound: deviation },
            Limit { value: name("saturation"), bound: saturation },
        ]
    };
    config.settings.sides().iter().flat_map(of_grid).collect()
}
