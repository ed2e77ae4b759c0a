use candle_core::Tensor;
use mg_random::Key;

use crate::base::to_f64;
use crate::error::check;
use crate::{Chain, Error, Exact, GeometricPath, Result};

/// Annealed importance sampling (Neal, Statistics and Computing 11, 2001; named at equation (9)): weights whose mean
/// is Z = the integral of exp(f(x)) p0(x), the Z of equation (1), for the score f = U_0 - U_1 of an energy U_1 on
/// the support of a reference p0. The integral of exp(-U_1) itself is Z times that of exp(-U_0),
/// [`log_normalizer`](crate::Base::log_normalizer).
///
/// A chain starts with a draw of p0 and climbs the ladder: log w gains (b_t - b_(t-1)) f(x), then `n_steps`
/// transitions leave p_(b_t) invariant, where U_b = U_0 + b (U_1 - U_0). The mean of w is Z exactly, for any number
/// of temperatures and steps; how far a finite number of chains is from it is what [`LogZ`](crate::LogZ) tells.
/// Within bounds the walls are mirrors ([`Reflected`](crate::Reflected)). A ladder of one temperature is plain
/// importance sampling.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use mg_energy::{Reference, toy::Normal};
/// # use mg_langevin::{Ais, Base, GeometricPath, Hmc, Ladder, LogZ};
/// # use mg_random::Key;
/// // U_1 = |x|^2 / (2 0.3^2) and U_0 = |x|^2 / (2 0.5^2), both without a constant: Z = (0.3 / 0.5)^d.
/// let model = Normal { mean: 0.0, std_dev: 0.3 };
/// let base = Base::new(Reference::Gaussian { sigma: 0.5 }, None)?;
/// let kernels = [Hmc { step_size: 0.3, n_leapfrog: 3, temperature: 1.0 }]; // one for all temperatures
/// let ladder = Ladder::even(20)?;
/// let path = GeometricPath { base, energy: &model, ladder: &ladder };
/// let ais = Ais::new(path, &kernels, 1)?;
/// let like = Tensor::zeros((400, 6), DType::F64, &Device::Cpu)?; // 400 chains in 6 dimensions
/// let annealed = ais.forward(&like, Key::new(1), &mut |_| {})?;
/// let log_z = LogZ::of(&annealed.log_weights, 0.99, Key::new(2))?;
/// assert!(log_z.interval.0 < 6.0 * 0.6f64.ln() && 6.0 * 0.6f64.ln() < log_z.interval.1);
/// # Ok::<(), mg_langevin::Error>(())
/// ```
///
/// Cost: per temperature one gradient more than the transitions take. Exact only if the energies of a batch are
/// independent: a net with batch statistics must be given fixed ones.
#[derive(Clone, Copy)]
pub struct Ais<'a, K> {
    path: GeometricPath<'a>,
    /// Invariant: one for all temperatures between reference and model, or one each; of temperature 1.
    kernels: &'a [K],
    n_steps: usize,
}

/// Chains that have gone from one end of a ladder to the other.
#[derive(Clone, Debug)]
pub struct Annealed {
    /// log w of every chain.
    pub log_weights: Vec<f64>,
    /// Where the chains have ended, [n, ...]: on their way to the last law, not necessarily there.
    pub x: Tensor,
    /// Mean acceptance probability at every temperature between reference and model, in the order of travel.
    pub acceptance: Vec<f64>,
}

impl Annealed {
    /// Mean acceptance probability over all temperatures; `None` when there was no transition.
    pub fn mean_acceptance(&self) -> Option<f64> {
        let n = self.acceptance.len();
        (n > 0).then(|| self.acceptance.iter().sum::<f64>() / n as f64)
    }
}

impl<'a, K: Exact> Ais<'a, K> {
    /// Annealing along a path with `n_steps` transitions of a kernel at each temperature between its ends. Kernels
    /// are one for all or one each, from the reference up; their step sizes must not depend on the chains of this
    /// run ([`Pilot`](crate::Pilot) finds them with its own).
    ///
    /// # Errors
    /// When kernels do not match the ladder in number, or one is not at temperature 1.
    pub fn new(path: GeometricPath<'a>, kernels: &'a [K], n_steps: usize) -> Result<Self> {
        let between = path.ladder.between().len();
        if kernels.len() != 1 && kernels.len() != between {
            return Err(Error::KernelCount { kernels: kernels.len(), between });
        }
        for kernel in kernels {
            let temperature = kernel.temperature();
            check("temperature", temperature, temperature == 1.0, "1, for the ladder sets the temperature")?;
        }
        Ok(Ais { path, kernels, n_steps })
    }

    /// Chains from draws of the reference up to the model; the mean of their weights estimates Z without bias, so
    /// log of it is, in expectation, a lower bound of log Z. `like`, [n, ...], gives shape, type and device; its
    /// values are not read. `done` hears the number of temperatures left behind.
    ///
    /// # Errors
    /// When the energy or a kernel fails, or a score is infinite upwards or no number.
    pub fn forward(&self, like: &Tensor, key: Key, done: &mut dyn FnMut(usize)) -> Result<Annealed> {
        let key = key.named("forward");
        let x = self.path.base.draw_like(key.named("base"), like)?;
        let rungs: Vec<usize> = (0..=self.path.ladder.n_temperatures()).collect();
        self.travel(x, &rungs, key, done)
    }

    /// Chains from exact samples of the model, [n, ...], down to the reference (Grosse, Ghahramani, Adams 2015): the
    /// mean of their weights estimates 1 / Z without bias, so minus its logarithm is, in expectation, an upper
    /// bound of log Z. With [`forward`](Ais::forward) it brackets log Z, however bad the transitions.
    ///
    /// # Errors
    /// As [`forward`](Ais::forward), and when a sample lies outside the reference's bounds.
    pub fn reverse(&self, exact: &Tensor, key: Key, done: &mut dyn FnMut(usize)) -> Result<Annealed> {
        let support = self.path.base.log_density(exact)?;
        if let (Some((min, max)), Some(chain)) = (
            self.path.base.bounds(),
            support.iter().position(|&log_density| log_density == f64::NEG_INFINITY),
        ) {
            return Err(Error::Outside { chain, min, max });
        }
        let rungs: Vec<usize> = (0..=self.path.ladder.n_temperatures()).rev().collect();
        self.travel(exact.clone(), &rungs, key.named("reverse"), done)
    }

    /// Goes through the rungs in this order, with transitions on all but the first and the last.
    fn travel(
        &self,
        mut x: Tensor,
        rungs: &[usize],
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Annealed> {
        let beta = |rung: usize| self.path.ladder.betas()[rung];
        let mut log_weights = vec![0.0; x.dim(0)?];
        let mut acceptance = Vec::with_capacity(self.path.ladder.between().len());
        for (left, pair) in rungs.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let (here, one) = Chain::new(x)?.evaluate(self.path.energy)?;
            let scores = (self.path.base.energy(&here)? - &one.energy)?;
            add(&mut log_weights, beta(to) - beta(from), &to_f64(&scores)?, beta(from))?;
            x = here;
            if left + 2 < rungs.len() {
                let chain = self.path.at(beta(to)).chain(x, &one)?;
                let accepted;
                (x, accepted) = self.transitions(to, chain, key.fold(to as u64))?;
                acceptance.extend((self.n_steps > 0).then_some(accepted));
            }
            done(left + 1);
        }
        Ok(Annealed { log_weights, x, acceptance })
    }

    /// All steps on one rung; returns where they end, and their mean acceptance.
    fn transitions(&self, rung: usize, mut chain: Chain, key: Key) -> Result<(Tensor, f64)> {
        let law = self.path.at(self.path.ladder.betas()[rung]);
        let mut accepted = 0.0;
        for step in 0..self.n_steps {
            let (next, info) = law.step(self.kernel(rung), chain, key.fold(step as u64).into())?;
            chain = next;
            accepted += mean_acceptance(info.acceptance.as_ref())? / self.n_steps as f64;
        }
        Ok((chain.into_x(), accepted))
    }

    /// The kernel of a rung between the ends.
    fn kernel(&self, rung: usize) -> &K {
        &self.kernels[(rung - 1).min(self.kernels.len() - 1)]
    }
}

/// log w += change f, chain by chain.
fn add(log_weights: &mut [f64], change: f64, scores: &[f64], beta: f64) -> Result<()> {
    for (chain, (log_weight, &score)) in log_weights.iter_mut().zip(scores).enumerate() {
        if score.is_nan() || score == f64::INFINITY {
            return Err(Error::Score { chain, score, beta });
        }
        *log_weight += change * score;
    }
    Ok(())
}

/// Mean over chains; 1 of a kernel that reports none.
pub(crate) fn mean_acceptance(acceptance: Option<&Tensor>) -> Result<f64> {
    let Some(acceptance) = acceptance else { return Ok(1.0) };
    let all = to_f64(acceptance)?;
    Ok(all.iter().sum::<f64>() / all.len() as f64)
}

impl<K> std::fmt::Debug for Ais<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut ais = f.debug_struct("Ais");
        ais.field("path", &self.path).field("n_steps", &self.n_steps).finish_non_exhaustive()
    }
}
