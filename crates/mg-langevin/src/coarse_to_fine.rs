use candle_core::Tensor;

use crate::{ChainKey, Error, Level, Result, Run, StepObserver};

/// Steps 3 and 4 of Algorithm 1, the one loop from coarse to fine: chains begin at `start`, [n, c, 1, 1]; on every level
/// they begin where it says ([`Begin`](crate::Begin)), take its steps, and hand their sample on. Returns one [`Run`] per
/// level, coarse to fine; level i draws from `key.fold(i)`.
///
/// Learning, synthesis and recovery are this function with other levels. `start` is the images' own 1x1 version when
/// learning, and a draw from p(0) when generating; it may be of any side up to that of the first level. Sides may repeat.
///
/// For the final synthesis after learning the paper disables the noise (section 6.1): the same levels with
/// noise-free kernels.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use mg_energy::{Energy, toy::Normal};
/// # use mg_langevin::{Begin, Clamped, Kernel, Langevin, Level, climb, unobserved};
/// # let energy = Normal { mean: 0.0, std_dev: 1.0 };
/// # let start = Tensor::zeros((2, 3, 1, 1), DType::F32, &Device::Cpu)?;
/// # let key = mg_random::Key::new(0);
/// let learning = Langevin { step_size: 5.0, noise_scale: 0.005 };
/// let synthesis = Clamped { inner: learning.noise_free(), min: -1.0, max: 1.0 };
/// let (kernels, energies): (&[&dyn Kernel], &[&dyn Energy]) = (&[&synthesis], &[&energy]);
/// let level =
///     |side| Level { side, energies, kernels, n_steps: 30, begin: Begin::default(), held: None };
/// let levels = [4, 16, 64].map(level);
/// let images = climb(&levels, &start, key, &mut unobserved)?;
/// # assert_eq!(images[2].x.dims(), [2, 3, 64, 64]);
/// # Ok::<(), mg_langevin::Error>(())
/// ```
///
/// # Errors
/// When the levels' sides decrease, a kernel or an energy fails, held pixels do not fit, or the observer stops the climb.
pub fn climb(
    levels: &[Level<'_>],
    start: &Tensor,
    key: impl Into<ChainKey>,
    observer: &mut StepObserver<'_>,
) -> Result<Vec<Run>> {
    check_order(levels, start)?;
    let key: ChainKey = key.into();
    let mut coarser = start.clone();
    let mut runs = Vec::with_capacity(levels.len());
    for (number, level) in levels.iter().enumerate() {
        let key = key.fold(number as u64);
        let x = level.start(&coarser, key)?;
        let run = level.run(number, &x, key, observer)?;
        coarser = run.x.clone();
        runs.push(run);
    }
    Ok(runs)
}

/// Fails unless the sides never decrease, before any time is spent.
fn check_order(levels: &[Level<'_>], start: &Tensor) -> Result<()> {
    let mut before = start.dims().last().copied().unwrap_or(0);
    for (level, &Level { side, .. }) in levels.iter().enumerate() {
        if side < before {
            return Err(Error::LevelOrder { level, side, before });
        }
        before = side;
    }
    Ok(())
}
