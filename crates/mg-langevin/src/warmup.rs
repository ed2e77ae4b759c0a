mod windows;

use candle_core::Tensor;
use mg_energy::Energy;

use crate::ais::mean_acceptance;
use crate::error::check;
use crate::moments::Moments;
use crate::{Adaptable, Chain, ChainKey, DualAveraging, Kernel, Result, Scaled, StepInfo, Trace};
use windows::Windows;

/// Steps before draws are kept, in which a kernel is fitted to its target: the step size by dual averaging, and the
/// scale of every coordinate from the chains' variances in windows that double, as Stan does (Hoffman and Gelman 2014,
/// section 3.2; Stan Reference Manual, "HMC algorithm parameters").
///
/// All chains share one step size and one scale, and all of them are learned from. What is found is a function of
/// the chains, so draws made during warm-up follow the target only roughly; those of the kernel it returns follow it exactly.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mg_energy::toy::Normal;
/// use mg_langevin::{Adaptable, Nuts, Warmup};
/// use mg_random::Key;
///
/// let target = Normal { mean: 3.0, std_dev: 50.0 };
/// let start = Tensor::zeros((4, 2), DType::F64, &Device::Cpu)?; // four chains in two dimensions
/// let warm = Warmup::default().run(&Nuts::default(), &target, &start, Key::new(1))?;
/// let scale = warm.kernel.scale().expect("scales were adapted").to_vec2::<f64>()?;
/// assert!(scale[0].iter().all(|s| (25.0..100.0).contains(s)), "{scale:?}");
/// assert!(warm.kernel.step_size() > 0.3);
/// # Ok::<(), mg_langevin::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// Steps; without any the kernel stays as it is.
    pub n_steps: usize,
    /// Whether the scale of every coordinate is adapted too. It takes two numbers for each of them.
    pub scales: bool,
    /// Mean acceptance probability to adapt to, between 0 and 1; that of the kernel unless given.
    pub target: Option<f64>,
}

/// Chains and their kernel after warm-up.
#[derive(Clone, Debug)]
pub struct Warm<K> {
    /// The kernel with what was found.
    pub kernel: Scaled<K>,
    /// Where the chains are, [n, ...].
    pub x: Tensor,
    /// What the steps reported.
    pub trace: Trace,
}

impl Default for Warmup {
    /// 500 steps, with scales.
    fn default() -> Self {
        Warmup { n_steps: 500, scales: true, target: None }
    }
}

impl Warmup {
    /// Warms chains up from `x`, [n, ...]. Step t draws from `key.fold(t)`.
    ///
    /// # Errors
    /// When a number is out of range, or the kernel or the energy fails.
    pub fn run<K: Adaptable>(
        &self,
        kernel: &K,
        energy: &dyn Energy,
        x: &Tensor,
        key: impl Into<ChainKey>,
    ) -> Result<Warm<K>> {
        let (key, target) = (key.into(), self.target.unwrap_or_else(|| kernel.target_acceptance()));
        check("target", target, target > 0.0 && target < 1.0, "between 0 and 1")?;
        check("step_size", kernel.step_size(), kernel.step_size() > 0.0, "finite and positive")?;
        let windows = if self.scales { Windows::of(self.n_steps) } else { Windows::default() };
        let mut state = State {
            kernel: Scaled::evenly(kernel.clone()),
            rate: DualAveraging::new(kernel.step_size(), target),
            moments: None,
        };
        let (mut chain, mut infos) = (Chain::new(x.clone())?, Vec::<StepInfo>::new());
        for step in 0..self.n_steps {
            let now = state.kernel.with_step_size(state.rate.step_size());
            let (next, info) = now.step(energy, chain, key.fold(step as u64))?;
            let rate = state.rate.after(mean_acceptance(info.acceptance.as_ref())?);
            state = State { rate, ..state }.after(step, next.x(), &windows, target)?;
            chain = next;
            infos.push(info);
        }
        let kernel = match self.n_steps {
            0 => state.kernel,
            _ => state.kernel.with_step_size(state.rate.averaged()),
        };
        Ok(Warm { kernel, x: chain.into_x(), trace: Trace::read(&infos)? })
    }
}

/// What warm-up has found so far.
struct State<K> {
    kernel: Scaled<K>,
    rate: DualAveraging,
    /// Of the chains in this window.
    moments: Option<Moments>,
}

impl<K: Adaptable> State<K> {
    /// After a step that led to `x`: where a window ends, its scale is taken, and the step size is sought anew.
    fn after(self, step: usize, x: &Tensor, windows: &Windows, target: f64) -> Result<Self> {
        if !windows.hold(step) {
            return Ok(self);
        }
        let here = Moments::of(x)?;
        let moments = match &self.moments {
            None => here,
            Some(before) => before.with(&here)?,
        };
        if !windows.end_at(step) {
            return Ok(State { moments: Some(moments), ..self });
        }
        let kernel = Scaled::new(self.kernel.inner().clone(), &moments.scale()?)?;
        Ok(State { kernel, rate: DualAveraging::new(self.rate.averaged(), target), moments: None })
    }
}
