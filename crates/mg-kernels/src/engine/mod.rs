//! The fused engine: a whole network forward and backward on the CPU, block of images by block of images.

mod adjoint;
mod backward;
mod blocks;
mod channel_sums;
mod coefficients;
mod coupled;
mod directions;
mod fold;
mod gradients;
mod independent;
mod moments;
mod numbers;
mod pass;
mod plan;
mod purpose;
mod stage;
mod sums;
mod workspace;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::compiled::Compiled;
use crate::element::Element;
use crate::part::lanes;
use crate::simd::Level;
use crate::{Result, ScoreShape, ScoreWeights};
pub(crate) use adjoint::Adjoint;
use blocks::Blocks;
pub(crate) use channel_sums::ChannelSums;
pub(crate) use coefficients::Coefficients;
pub(crate) use gradients::Lane;
pub use moments::Observed;
pub(crate) use moments::{Moments, combine, observe};
pub(crate) use numbers::numbers;
pub(crate) use pass::Pass;
pub(crate) use plan::Plan;
pub(crate) use purpose::Purpose;
use stage::{Stage, StagedNorm};
use sums::{FlatSums, WeightSums};
pub(crate) use workspace::{Kept, Scratch};

/// Coefficients of the images, as in [`crate::ScoreNet::score_and_weight_grads`].
type Coefficient<'a> = &'a (dyn Fn(usize, f64) -> f64 + Sync);

/// From an image's number and its gradient to the direction, and a number, as in
/// [`crate::TangentNet::weight_grads`].
type Steer<'a> = &'a (dyn Fn(usize, &mut [f64]) -> f64 + Sync);

/// A network laid out for this processor, with its workspaces.
pub(crate) struct Engine<P: Compiled> {
    plan: Plan<P>,
    /// Workspaces of earlier calls, kept so that a step allocates nothing but its results.
    pool: Mutex<Vec<Scratch<P>>>,
    kept: Mutex<Vec<Kept<P>>>,
}

impl<P: Compiled> Engine<P> {
    pub(crate) fn new(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        level: Level,
        purpose: Purpose,
    ) -> Result<Self> {
        let plan = Plan::new(shape, weights, level, purpose)?;
        Ok(Self { plan, pool: Mutex::default(), kept: Mutex::default() })
    }

    /// Scores of `n` images.
    pub(crate) fn score(&self, x: &[P::Elem], n: usize) -> Vec<P::Elem> {
        if self.plan.coupled { self.coupled_score(x, n) } else { self.independent_score(x, n) }
    }

    /// Scores, and `factor` times their gradients with respect to the images.
    pub(crate) fn score_and_grad(
        &self,
        x: &[P::Elem],
        n: usize,
        factor: f64,
    ) -> (Vec<P::Elem>, Vec<P::Elem>) {
        let factor = P::Elem::of(factor);
        match self.plan.coupled {
            true => self.coupled_grad(x, n, factor),
            false => self.independent_grad(x, n, factor),
        }
    }

    /// Scores and gradients with respect to the weights.
    pub(crate) fn score_and_weight_grads(
        &self,
        x: &[P::Elem],
        n: usize,
        coefficient: Coefficient<'_>,
    ) -> Result<(Vec<P::Elem>, ScoreWeights)> {
        let (f, lanes) = if self.plan.coupled {
            self.coupled_weight_grads(x, n, coefficient)
        } else {
            self.independent_weight_grads(x, n, 0..lanes(n), coefficient)
        };
        let total = Lane::total(lanes, &self.plan);
        Ok((f, WeightSums::of_lane(total, &self.plan).finish(&self.plan)?))
    }

    /// Scores, and the weight sums of each of these lanes in a batch of `n` images; `x` holds the images of the lanes.
    pub(crate) fn score_and_weight_sums(
        &self,
        x: &[P::Elem],
        n: usize,
        lanes: Range<usize>,
        coefficient: Coefficient<'_>,
    ) -> Result<(Vec<P::Elem>, Vec<FlatSums>)> {
        let (f, lanes) = self.independent_weight_grads(x, n, lanes, coefficient);
        Ok((f, self.flat_sums(lanes)?))
    }

    /// Numbers that `direction` finds, and the gradient by the weights of the sum of all derivatives along its
    /// directions. Only where the purpose is [`Purpose::Directions`].
    pub(crate) fn directional_weight_grads(
        &self,
        x: &[P::Elem],
        n: usize,
        direction: Steer<'_>,
    ) -> Result<(Vec<f64>, ScoreWeights)> {
        let (found, lanes) = self.directional_lanes(x, n, 0..lanes(n), direction);
        let total = Lane::total(lanes, &self.plan);
        Ok((found, WeightSums::of_lane(total, &self.plan).finish(&self.plan)?))
    }

    /// The same as sums of each of these lanes in a batch of `n` images; `x` holds the images of the lanes.
    pub(crate) fn directional_weight_sums(
        &self,
        x: &[P::Elem],
        n: usize,
        lanes: Range<usize>,
        direction: Steer<'_>,
    ) -> Result<(Vec<f64>, Vec<FlatSums>)> {
        let (found, lanes) = self.directional_lanes(x, n, lanes, direction);
        Ok((found, self.flat_sums(lanes)?))
    }

    fn flat_sums(&self, lanes: Vec<Lane<P>>) -> Result<Vec<FlatSums>> {
        let tensors = |lane| WeightSums::of_lane(lane, &self.plan).into_tensors(&self.plan);
        lanes.into_iter().map(tensors).collect()
    }

    /// Gradients from the sum of such lists.
    pub(crate) fn finish_weight_sums(&self, total: FlatSums) -> Result<ScoreWeights> {
        WeightSums::of_tensors(total, &self.plan)?.finish(&self.plan)
    }

    /// The fixed partition of a batch into blocks: a function of the batch and the network alone, never of the number
    /// of threads, so that sums over blocks always have the same bits.
    fn blocks(&self, n: usize) -> Blocks {
        Blocks { n, count: n.div_ceil(self.plan.block).next_multiple_of(8).min(n) }
    }

    /// A partition that keeps all threads busy, for results that are no sums over blocks: an image's bits do not
    /// depend on its block.
    fn even_blocks(&self, n: usize) -> Blocks {
        Blocks { n, count: n.div_ceil(self.plan.block).next_multiple_of(rayon::current_num_threads()).min(n) }
    }

    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch<P>) -> R) -> R {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = pooled.unwrap_or_else(|| Scratch::new(&self.plan));
        let result = work(&mut scratch);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result
    }

    fn take_kept(&self, count: usize) -> Vec<Kept<P>> {
        let mut pool = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = pool.len().saturating_sub(count);
        let mut taken = pool.split_off(rest);
        drop(pool);
        let missing = count - taken.len();
        taken.par_extend((0..missing).into_par_iter().map(|_| Kept::new(&self.plan)));
        taken
    }

    fn give_kept(&self, kept: Vec<Kept<P>>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
    }

    fn with_kept<R>(&self, work: impl FnOnce(&mut Kept<P>) -> R) -> R {
        let mut kept = self.take_kept(1);
        let result = work(&mut kept[0]);
        self.give_kept(kept);
        result
    }
}

impl<P: Compiled> fmt::Debug for Engine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("layers", &self.plan.layers.len()).finish_non_exhaustive()
    }
}
