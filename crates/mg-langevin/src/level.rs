use candle_core::Tensor;
use mg_energy::Energy;
use mg_random::Key;

use crate::clamped::check_bounds;
use crate::run::run_level;
use crate::{Error, Kernel, Observer, Result, Run, rows};

/// One grid of a sweep: which energy is sampled there, how, and for how long.
#[derive(Clone, Copy)]
pub struct Level<'a> {
    /// Side of the grid's images.
    pub side: usize,
    /// The grid's model.
    pub energy: &'a dyn Energy,
    /// How its chains move.
    pub kernel: &'a dyn Kernel,
    /// Steps on this grid, l in Algorithm 1 (30 in the paper).
    pub n_steps: usize,
    /// Where chains must begin, if anywhere: upscaling by a ratio that is not whole can leave the images' range, and a
    /// kernel that rejects what lies outside ([`Within`](crate::Within)) would never come back.
    pub bounds: Option<(f64, f64)>,
}

impl Level<'_> {
    /// `x`, [n, c, s, s] of a coarser grid, as this grid's chains begin: upscaled, and within the bounds.
    ///
    /// # Errors
    /// When this grid is coarser, or the bounds are no interval.
    pub fn begin(&self, x: &Tensor) -> Result<Tensor> {
        let x = mg_pyramid::up(x, self.side)?;
        match self.bounds {
            Some((min, max)) => {
                check_bounds(min, max)?;
                rows::clamp(&x, min, max)
            }
            None => Ok(x),
        }
    }
}

/// The sampling half of Algorithm 1 (steps 3 and 4): from `start`, [n, c, 1, 1], each level begins at the
/// upscaled sample of the level before it, runs, and hands its own sample on. Returns one [`Run`] per level,
/// coarse to fine; level i draws from `key.fold(i)`.
///
/// `start` is the images' own 1x1 version when learning, and a draw from p(0) when generating; it may be of
/// any side up to that of the first level. Sides may repeat.
///
/// For the final synthesis after learning the paper disables the noise (section 6.1): the same levels with
/// noise-free kernels.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use mg_energy::toy::Normal;
/// # use mg_langevin::{Clamped, Langevin, Level, sweep, unobserved};
/// # let energy = Normal { mean: 0.0, std_dev: 1.0 };
/// # let start = Tensor::zeros((2, 3, 1, 1), DType::F32, &Device::Cpu)?;
/// # let key = mg_random::Key::new(0);
/// let learning = Langevin { step_size: 5.0, noise_scale: 0.005 };
/// let synthesis = Clamped { inner: learning.noise_free(), min: -1.0, max: 1.0 };
/// let levels = [4, 16, 64].map(|side| Level { side, energy: &energy, kernel: &synthesis, n_steps: 30, bounds: None });
/// let images = sweep(&levels, &start, key, &mut unobserved)?;
/// # assert_eq!(images[2].x.dims(), [2, 3, 64, 64]);
/// # Ok::<(), mg_langevin::Error>(())
/// ```
///
/// # Errors
/// When the levels' sides decrease, a kernel or an energy fails, or the observer stops the sweep.
pub fn sweep(
    levels: &[Level<'_>],
    start: &Tensor,
    key: Key,
    observer: &mut Observer<'_>,
) -> Result<Vec<Run>> {
    check_order(levels, start)?;
    let mut x = start.clone();
    let mut runs = Vec::with_capacity(levels.len());
    for (i, level) in levels.iter().enumerate() {
        x = level.begin(&x)?;
        let run = run_level(i, level.kernel, level.energy, &x, level.n_steps, key.fold(i as u64), observer)?;
        x = run.x.clone();
        runs.push(run);
    }
    Ok(runs)
}

/// Fails unless the sides never decrease, before any time is spent.
pub(crate) fn check_order(levels: &[Level<'_>], start: &Tensor) -> Result<()> {
    let mut before = start.dims().last().copied().unwrap_or(0);
    for (level, &Level { side, .. }) in levels.iter().enumerate() {
        if side < before {
            return Err(Error::LevelOrder { level, side, before });
        }
        before = side;
    }
    Ok(())
}

impl std::fmt::Debug for Level<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut level = f.debug_struct("Level");
        level.field("side", &self.side).field("n_steps", &self.n_steps).finish_non_exhaustive()
    }
}
