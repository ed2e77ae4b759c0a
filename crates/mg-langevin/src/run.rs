use candle_core::Tensor;
use mg_energy::Energy;

use crate::{Chain, ChainKey, Error, Kernel, Result, StepInfo, Trace};

/// Where a run ended, and what it reports of its steps.
#[derive(Clone, Debug)]
pub struct Run {
    /// The chains after the last step, [n, ...].
    pub x: Tensor,
    /// Energies, gradient norms and acceptance, step by step.
    pub trace: Trace,
}

/// What an observer sees after each step.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Number of the level in a climb, from the coarsest, 0; 0 outside a climb.
    pub level: usize,
    /// The step just taken, from 0.
    pub step: usize,
    /// Steps of this run.
    pub n_steps: usize,
    /// The chains after the step, [n, ...].
    pub x: &'a Tensor,
    /// The step's report. Reading its tensors makes a GPU finish the step.
    pub info: &'a StepInfo,
}

/// Watches a run; an error stops it and comes back as [`Error::Stopped`].
pub type StepObserver<'a> =
    dyn FnMut(&Progress<'_>) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// The observer that does nothing: `&mut mg_langevin::unobserved`.
///
/// # Errors
/// Never.
pub fn unobserved(_: &Progress<'_>) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

/// Takes `n_steps` steps of `kernel` from `x`, [n, ...], on `energy`. Step t draws from `key.fold(t)`.
///
/// # Errors
/// When the kernel or the energy fails or the observer stops the run. Chains that become infinite or NaN are no
/// error: see [`Trace::first_non_finite`].
pub fn run(
    kernel: &dyn Kernel,
    energy: &dyn Energy,
    x: &Tensor,
    n_steps: usize,
    key: impl Into<ChainKey>,
    observer: &mut StepObserver<'_>,
) -> Result<Run> {
    run_level(0, (&[kernel], &[energy]), x, n_steps, key.into(), observer)
}

pub(crate) fn run_level(
    level: usize,
    (kernels, energies): (&[&dyn Kernel], &[&dyn Energy]),
    x: &Tensor,
    n_steps: usize,
    key: ChainKey,
    observer: &mut StepObserver<'_>,
) -> Result<Run> {
    let mut chain = Chain::new(x.clone())?;
    let (mut infos, mut before) = (Vec::with_capacity(n_steps.min(1 << 16)), None);
    for step in 0..n_steps {
        let turn = |count: usize| step * count / n_steps;
        let kernel = kernels.get(turn(kernels.len())).ok_or(Error::NoKernel { level })?;
        let now = turn(energies.len());
        if before.replace(now).is_some_and(|before| before != now) {
            chain = Chain::new(chain.into_x())?; // what it knows of its energy is of another one
        }
        let energy = energies.get(now).ok_or(Error::NoEnergy { level })?;
        let (next, info) = kernel.step(*energy, chain, key.fold(step as u64))?;
        observer(&Progress { level, step, n_steps, x: next.x(), info: &info })
            .map_err(|source| Error::Stopped { level, step, source })?;
        chain = next;
        infos.push(info);
    }
    Ok(Run { x: chain.into_x(), trace: Trace::read(&infos)? })
}
