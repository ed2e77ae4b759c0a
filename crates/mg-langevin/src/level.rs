use candle_core::Tensor;
use mg_energy::Energy;
use mg_pyramid::{ConditionalGaussian, Upscale};
use mg_random::Key;

use crate::clamped::check_bounds;
use crate::error::check;
use crate::run::run_level;
use crate::{Error, Kernel, Observed, Observer, Result, Run, normal_like, rows};

/// One grid of a sweep: which energy is sampled there, how, and for how long.
#[derive(Clone, Copy)]
pub struct Level<'a> {
    /// Side of the grid's images.
    pub side: usize,
    /// The grid's model.
    pub energy: &'a dyn Energy,
    /// How its chains move: one kernel for all steps, or several, each for an equal share of the steps, such as steps
    /// that shorten towards the end.
    pub kernels: &'a [&'a dyn Kernel],
    /// Steps on this grid, l in Algorithm 1 (30 in the paper).
    pub n_steps: usize,
    /// Where its chains start.
    pub start: Start<'a>,
}

impl Level<'_> {
    /// Takes this level's steps from `x`, [n, c, side, side]. Step t draws from `key.fold(t)`.
    ///
    /// # Errors
    /// When there is no kernel, one fails, the energy fails, or the observer stops the run.
    pub fn run(&self, x: &Tensor, key: Key, observer: &mut Observer<'_>) -> Result<Run> {
        run_level(0, self.kernels, self.energy, x, self.n_steps, key, observer)
    }

    /// [`run`](Level::run), where only hidden pixels move: see [`Observed::new`] for `observed` and `image`. The observed
    /// pixels of `x` are replaced by the image's.
    ///
    /// # Errors
    /// As [`run`](Level::run), and when the mask does not broadcast to the image.
    pub fn run_observed(
        &self,
        x: &Tensor,
        observed: &Tensor,
        image: &Tensor,
        key: Key,
        observer: &mut Observer<'_>,
    ) -> Result<Run> {
        self.run_observed_as(0, x, (observed, image), key, observer)
    }

    /// [`run_observed`](Level::run_observed) as level number `number` of a sweep.
    pub(crate) fn run_observed_as(
        &self,
        number: usize,
        x: &Tensor,
        (observed, image): (&Tensor, &Tensor),
        key: Key,
        observer: &mut Observer<'_>,
    ) -> Result<Run> {
        let kernels = self.kernels.iter().map(|kernel| Observed::new(*kernel, observed, image));
        let kernels = kernels.collect::<Result<Vec<_>>>()?;
        let x = kernels.first().ok_or(Error::NoKernel { level: number })?.impose(x)?;
        let kernels: Vec<&dyn Kernel> = kernels.iter().map(|kernel| kernel as &dyn Kernel).collect();
        run_level(number, &kernels, self.energy, &x, self.n_steps, key, observer)
    }
}

/// How the chains of a grid start at the sample of the coarser grid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// How that sample is scaled up.
    pub upscale: Upscale,
    /// In place of upscaling: chains start at draws from this law of the grid's images given that sample.
    pub gaussian: Option<&'a ConditionalGaussian>,
    /// Deviation of the white noise added to it. Without any, and with little in the kernel, one coarse image leads to one
    /// fine image.
    pub noise: f64,
    /// Where chains must start, if anywhere: noise, and upscaling by a ratio that is not whole, can leave the images'
    /// range, and a kernel that rejects what lies outside ([`Within`](crate::Within)) would never come back.
    pub bounds: Option<(f64, f64)>,
}

impl Start<'_> {
    /// `x`, [n, c, s, s] of a coarser grid, as chains start on the grid of side `side`: upscaled or drawn, with noise, all
    /// from `key`, and within the bounds.
    ///
    /// # Errors
    /// When that grid is coarser, the Gaussian is that of other grids, the noise is negative, or the bounds are no
    /// interval.
    pub fn at(&self, x: &Tensor, side: usize, key: Key) -> Result<Tensor> {
        check("start.noise", self.noise, self.noise >= 0.0, "finite and not negative")?;
        let mut x = match self.gaussian_of(side)? {
            Some(gaussian) => gaussian.sample(x, key.named("gaussian"))?,
            None => self.upscale.apply(x, side)?,
        };
        if self.noise > 0.0 {
            x = rows::add_scaled(&x, self.noise, &normal_like(key.named("start"), &x)?)?;
        }
        self.bounded(x)
    }

    /// The middle of where chains start: [`at`](Start::at) without anything drawn. Hidden pixels begin there, which are
    /// to become what they were and not what they might have been.
    ///
    /// # Errors
    /// As [`at`](Start::at).
    pub fn middle(&self, x: &Tensor, side: usize) -> Result<Tensor> {
        self.bounded(match self.gaussian_of(side)? {
            Some(gaussian) => gaussian.mean(x)?,
            None => self.upscale.apply(x, side)?,
        })
    }

    fn gaussian_of(&self, side: usize) -> Result<Option<&ConditionalGaussian>> {
        match self.gaussian {
            Some(gaussian) if gaussian.sides().1 != side => {
                Err(Error::GaussianSide { side, gaussian: gaussian.sides().1 })
            }
            gaussian => Ok(gaussian),
        }
    }

    fn bounded(&self, x: Tensor) -> Result<Tensor> {
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
/// # use mg_langevin::{Clamped, Kernel, Langevin, Level, Start, sweep, unobserved};
/// # let energy = Normal { mean: 0.0, std_dev: 1.0 };
/// # let start = Tensor::zeros((2, 3, 1, 1), DType::F32, &Device::Cpu)?;
/// # let key = mg_random::Key::new(0);
/// let learning = Langevin { step_size: 5.0, noise_scale: 0.005 };
/// let synthesis = Clamped { inner: learning.noise_free(), min: -1.0, max: 1.0 };
/// let kernels: &[&dyn Kernel] = &[&synthesis];
/// let level = |side| Level { side, energy: &energy, kernels, n_steps: 30, start: Start::default() };
/// let levels = [4, 16, 64].map(level);
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
        let key = key.fold(i as u64);
        x = level.start.at(&x, level.side, key)?;
        let run = run_level(i, level.kernels, level.energy, &x, level.n_steps, key, observer)?;
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
