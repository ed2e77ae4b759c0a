use candle_core::{Device, Tensor};
use mg_langevin::unobserved;
use mg_model::{Model, Synthesis, generate};
use mg_random::Key;

use crate::{Error, Images, Result};

/// How images are drawn from a [`Model`](crate::Model): the same bits as `mg sample` with the same seed.
#[derive(Clone)]
#[must_use = "images are drawn by `images` or `grids`"]
pub struct Draw<'a> {
    model: &'a dyn Model,
    device: &'a Device,
    n: usize,
    seed: u64,
    how: Synthesis,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(model: &'a dyn Model, device: &'a Device, n: usize) -> Self {
        Draw { model, device, n, seed: 1, how: Synthesis::default() }
    }

    /// Seed of every random number; 1 unless given.
    pub fn seed(self, seed: u64) -> Self {
        Draw { seed, ..self }
    }

    /// Class of a conditional model; all in turn unless given.
    pub fn class(self, name: impl Into<String>) -> Self {
        let how = Synthesis { class: Some(name.into()), ..self.how };
        Draw { how, ..self }
    }

    /// Steps on every grid; as learned unless given.
    pub fn steps(self, steps: usize) -> Self {
        let how = Synthesis { steps: Some(steps), ..self.how };
        Draw { how, ..self }
    }

    /// Everything else that can be said of synthesis.
    pub fn with(self, how: Synthesis) -> Self {
        Draw { how, ..self }
    }

    /// Draws them, at the model's finest grid.
    ///
    /// # Errors
    /// When no image is asked for, the model cannot draw, or it has no such class.
    pub fn images(&self) -> Result<Images> {
        Images::of(&self.grids()?.pop().ok_or(Error::NoImages)?)
    }

    /// Draws them, on every grid: [n, c, s, s] each, coarse to fine, in [-1, 1].
    ///
    /// # Errors
    /// When the model cannot draw, or has no such class.
    pub fn grids(&self) -> Result<Vec<Tensor>> {
        let key = Key::new(self.seed);
        Ok(generate(self.model, self.n, &self.how, key, self.device, &mut unobserved, &mut |_| {})?)
    }
}

impl std::fmt::Debug for Draw<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut draw = f.debug_struct("Draw");
        draw.field("n", &self.n).field("seed", &self.seed).field("how", &self.how).finish_non_exhaustive()
    }
}
