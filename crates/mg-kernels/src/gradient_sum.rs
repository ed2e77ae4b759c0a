use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

/// Where a network's gradients of its parameters are summed beside candle's graph, which makes a vector of zeros and a new
/// sum for each of them.
#[derive(Clone, Debug, Default)]
pub struct GradientSum {
    sum: Arc<Mutex<Option<Tensor>>>,
}

impl GradientSum {
    /// The sum of the gradients since it was last taken, `[p]`; `None` where there were none.
    pub fn take(&self) -> Option<Tensor> {
        self.lock().take()
    }

    /// Adds a gradient `[p]` that is nobody else's: on the CPU in place.
    ///
    /// # Errors
    /// What candle says of vectors that do not fit each other.
    pub fn add(&self, gradient: Tensor) -> Result<()> {
        let mut sum = self.lock();
        *sum = Some(match sum.take() {
            Some(sum) if sum.dims() == gradient.dims() && sum.device().is_cpu() => {
                sum.inplace_op2(&gradient, &Add)?;
                sum
            }
            Some(sum) => (sum + gradient)?,
            None => gradient,
        });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tensor>> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a vector to another one in place.
struct Add;

/// Numbers of a task.
const CHUNK: usize = 1 << 16;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add-in-place"
    }

    fn cpu_fwd(&self, to: &mut CpuStorage, _: &Layout, other: &CpuStorage, _: &Layout) -> Result<()> {
        match (to, other) {
            (CpuStorage::F32(to), CpuStorage::F32(other)) => add(to, other),
            (CpuStorage::F64(to), CpuStorage::F64(other)) => add(to, other),
            _ => bail!("gradients of f32 or f64 are summed here"),
        }
        Ok(())
    }
}

fn add<E: Copy + Send + Sync + std::ops::AddAssign>(to: &mut [E], other: &[E]) {
    let chunks = to.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK));
    chunks.for_each(|(to, other)| to.iter_mut().zip(other).for_each(|(to, other)| *to += *other));
}
