use candle_core::{DType, Device, Tensor};

use crate::{Result, StepInfo};

/// What a run reports: means over its chains, one number per step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Mean energy before each step.
    pub energy: Vec<f64>,
    /// Mean Euclidean norm of the chains' gradients before each step. Divide by the square root of the number
    /// of coordinates for the root mean square per pixel.
    pub grad_norm: Vec<f64>,
    /// Mean acceptance probability of each step; `None` of a kernel that always moves.
    pub acceptance: Option<Vec<f64>>,
    /// Share of the chains whose trajectory diverged, of each step; `None` of a kernel that does not look.
    pub diverged: Option<Vec<f64>>,
}

impl Trace {
    /// Reads the steps' reports: one transfer per quantity, whatever the number of steps.
    ///
    /// # Errors
    /// When the reports do not have the same number of chains, or a device fails.
    pub fn read(steps: &[StepInfo]) -> Result<Self> {
        Ok(Trace {
            energy: means(&steps.iter().map(|step| &step.energy).collect::<Vec<_>>())?,
            grad_norm: means(&steps.iter().map(|step| &step.grad_norm).collect::<Vec<_>>())?,
            acceptance: means_if_all(steps.iter().map(|step| step.acceptance.as_ref()))?,
            diverged: means_if_all(steps.iter().map(|step| step.diverged.as_ref()))?,
        })
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.energy.len()
    }

    /// True when no step was taken.
    pub fn is_empty(&self) -> bool {
        self.energy.is_empty()
    }

    /// The first step at which the energy or the gradient of some chain was infinite or no number, if any. A
    /// sampler does not fail on these; whoever learns from its samples must look.
    pub fn first_non_finite(&self) -> Option<usize> {
        (0..self.len()).find(|&t| !self.energy[t].is_finite() || !self.grad_norm[t].is_finite())
    }

    /// Mean acceptance probability of the run; `None` of a kernel that always moves.
    pub fn mean_acceptance(&self) -> Option<f64> {
        self.acceptance.as_ref().map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }
}

/// Mean of each tensor, `[n]`; `None` when there is no step, or one without it.
fn means_if_all<'a>(steps: impl Iterator<Item = Option<&'a Tensor>>) -> Result<Option<Vec<f64>>> {
    let all: Option<Vec<&Tensor>> = steps.collect();
    all.filter(|all| !all.is_empty()).map(|all| means(&all)).transpose()
}

/// Mean of each tensor, `[n]`; a single infinity or NaN shows in it.
fn means(steps: &[&Tensor]) -> Result<Vec<f64>> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let all = Tensor::stack(steps, 0)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?; // [steps, n]
    Ok(all.mean(1)?.to_vec1()?)
}
