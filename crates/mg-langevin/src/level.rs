use candle_core::Tensor;
use mg_energy::Energy;

use crate::run::run_level;
use crate::{ChainKey, Error, Kernel, Observed, Result, Run, StepObserver, Upscaling};

/// One grid of a [`climb`](crate::climb): which energies are sampled there, how, for how long, and from where.
#[derive(Clone, Copy)]
pub struct Level<'a> {
    /// Side of the grid's images.
    pub side: usize,
    /// The grid's model: one energy for all steps, or several, each for an equal share of the steps, such as those of a
    /// model that changes with time.
    pub energies: &'a [&'a dyn Energy],
    /// How its chains move: one kernel for all steps, or several, each for an equal share of the steps, such as steps
    /// that shorten towards the end.
    pub kernels: &'a [&'a dyn Kernel],
    /// Steps on this grid, l in Algorithm 1 (30 in the paper).
    pub n_steps: usize,
    /// Where its chains begin.
    pub begin: Begin<'a>,
    /// Pixels that do not move; all pixels move when there are none.
    pub held: Option<Held<'a>>,
}

/// Where the chains of a grid begin.
#[derive(Clone, Copy, Debug)]
pub enum Begin<'a> {
    /// At the sample of the coarser grid, scaled up: multi-grid sampling. Where pixels are held, in the middle of that
    /// ([`Upscaling::middle`]).
    Coarser(Upscaling<'a>),
    /// At these images, [n, c, side, side]: observed ones (contrastive divergence), or where chains ended before
    /// (persistent contrastive divergence).
    At(&'a Tensor),
}

/// Pixels that keep the values of an image while the others move.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// 1 where a pixel is held and 0 where it moves; broadcasts to the image, as [n, 1, side, side] does.
    pub known: &'a Tensor,
    /// Their values, [n, c, side, side]; never read where a pixel moves.
    pub values: &'a Tensor,
}

impl Default for Begin<'_> {
    fn default() -> Self {
        Begin::Coarser(Upscaling::default())
    }
}

impl Level<'_> {
    /// Where the chains of this level begin after the sample `coarser`, [n, c, s, s]: [n, c, side, side].
    ///
    /// # Errors
    /// As [`Upscaling::draw`].
    pub(crate) fn start(&self, coarser: &Tensor, key: ChainKey) -> Result<Tensor> {
        match (self.begin, self.held) {
            (Begin::At(x), _) => Ok(x.clone()),
            (Begin::Coarser(upscaling), None) => upscaling.draw(coarser, self.side, key),
            (Begin::Coarser(upscaling), Some(_)) => upscaling.middle(coarser, self.side),
        }
    }

    /// Takes this level's steps from `x`, [n, c, side, side], as level number `number` of a climb. Step t draws from
    /// `key.fold(t)`.
    ///
    /// # Errors
    /// When there is no kernel or no energy, one fails, held pixels do not fit, or the observer stops the run.
    pub(crate) fn run(
        &self,
        number: usize,
        x: &Tensor,
        key: ChainKey,
        observer: &mut StepObserver<'_>,
    ) -> Result<Run> {
        let Some(Held { known, values }) = self.held else {
            return run_level(number, (self.kernels, self.energies), x, self.n_steps, key, observer);
        };
        let kernels = self.kernels.iter().map(|kernel| Observed::new(*kernel, known, values));
        let kernels = kernels.collect::<Result<Vec<_>>>()?;
        let x = kernels.first().ok_or(Error::NoKernel { level: number })?.impose(x)?;
        let kernels: Vec<&dyn Kernel> = kernels.iter().map(|kernel| kernel as &dyn Kernel).collect();
        run_level(number, (&kernels, self.energies), &x, self.n_steps, key, observer)
    }
}

impl std::fmt::Debug for Level<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut level = f.debug_struct("Level");
        level.field("side", &self.side).field("n_steps", &self.n_steps).finish_non_exhaustive()
    }
}
