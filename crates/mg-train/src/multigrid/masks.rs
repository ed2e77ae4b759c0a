use candle_core::Tensor;
use mg_langevin::Held;
use mg_pyramid::{Mask, Pyramid};

use crate::{Batch, Result};

/// What is held of every grid while learning for recovery (section 6.4): all but a square of hidden pixels, at random in each
/// image. Nothing is held otherwise.
pub(super) struct HeldGrids {
    /// Which pixels are known, [n, 1, s, s], coarse to fine; none where all pixels move.
    known: Vec<Option<Tensor>>,
}

impl HeldGrids {
    /// Hides a square of side `hidden` in every image; nothing is held when that is 0.
    pub(super) fn new(hidden: usize, observed: &Pyramid, batch: &Batch) -> Result<Self> {
        let sides = &observed.grids().sides()[1..];
        if hidden == 0 {
            return Ok(HeldGrids { known: vec![None; sides.len()] });
        }
        let (side, key) = (observed.grids().finest(), batch.key.named("mask"));
        let numbers = batch.part.first..batch.part.first + batch.numbers.len();
        let masks = numbers.map(|i| Mask::random_square(side, hidden, key.fold(i as u64)));
        let masks = masks.collect::<mg_pyramid::Result<Vec<_>>>()?;
        let known = sides.iter().map(|&side| Ok(Some(Mask::known(&masks, observed.finest(), side)?.0)));
        Ok(HeldGrids { known: known.collect::<Result<_>>()? })
    }

    /// What is held of every grid, coarse to fine. A pixel that is known holds what the observed image has there, not the
    /// mean of its observed part, by which alone energies would tell chains from images.
    pub(super) fn all<'a>(&'a self, observed: &'a Pyramid) -> impl Iterator<Item = Option<Held<'a>>> {
        let grids = self.known.iter().zip(observed.above_minimal());
        grids.map(|(known, values)| known.as_ref().map(|known| Held { known, values }))
    }
}
