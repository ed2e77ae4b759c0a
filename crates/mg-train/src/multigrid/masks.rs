use candle_core::Tensor;
use mg_langevin::Held;
use mg_pyramid::{Mask, Pyramid};

use crate::{Batch, Result};

/// What is held of every grid while learning for recovery (section 6.4): all but a square of hidden pixels, at random in each
/// image.
pub(super) struct HeldGrids {
    /// Which pixels are known, [n, 1, s, s], coarse to fine.
    known: Vec<Tensor>,
}

impl HeldGrids {
    /// Nothing is held when `hidden`, the side of the square, is 0.
    pub(super) fn new(hidden: usize, observed: &Pyramid, batch: &Batch) -> Result<Option<Self>> {
        if hidden == 0 {
            return Ok(None);
        }
        let (side, key) = (observed.grids().finest(), batch.key.named("mask"));
        let numbers = batch.part.first..batch.part.first + batch.numbers.len();
        let masks = numbers.map(|i| Mask::random_square(side, hidden, key.fold(i as u64)));
        let masks = masks.collect::<mg_pyramid::Result<Vec<_>>>()?;
        let sides = &observed.grids().sides()[1..];
        let known = sides.iter().map(|&side| Ok(Mask::known(&masks, observed.finest(), side)?.0));
        Ok(Some(HeldGrids { known: known.collect::<Result<_>>()? }))
    }

    /// What is held of grid number `level`. A pixel that is known holds what the observed image has there, not the mean of
    /// its observed part, by which alone energies would tell chains from images.
    pub(super) fn of<'a>(&'a self, level: usize, observed: &'a Pyramid) -> Held<'a> {
        Held { known: &self.known[level], values: &observed.levels()[level + 1] }
    }
}
