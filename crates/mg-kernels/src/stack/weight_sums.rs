use rayon::prelude::*;

use super::layer::{Gradient, LayerPlan};
use super::pool::Scratch;
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::tile::MOST_ROWS;

/// The sums of a layer's weight gradients over tasks, each part of them made by one thread, task by task in their order.
pub(super) struct WeightSums<P: Compiled> {
    sums: Aligned<P::Elem>,
    /// Transformed inputs and gradients of the tasks at hand, where sums are made of these.
    input: Aligned<P::Elem>,
    grad: Aligned<P::Elem>,
    /// Images whose transformed maps are summed before the sum is added to the others: the same for any number of threads.
    run: usize,
}

/// A task's share of transformed inputs and gradients.
pub(super) type Transformed<'a, E> = (&'a mut [E], &'a mut [E]);

impl<P: Compiled> WeightSums<P> {
    /// No sums yet, of up to so many runs of so many images at a time; nothing at all unless they are wanted.
    pub(super) fn new(layer: &LayerPlan<P>, wanted: bool, (run, runs): (usize, usize)) -> Self {
        let (sums, (input, grad)) = match (&layer.weight_gradient, wanted) {
            (_, false) => (0, (0, 0)),
            (Gradient::Winograd(gradient), true) => {
                let (input, grad) = gradient.transformed();
                (gradient.len(), (run * runs * input + MOST_ROWS, run * runs * grad))
            }
            (Gradient::Direct(gradient), true) => (gradient.len(), (0, 0)),
        };
        let zeroed = |len| Aligned::zeroed(len);
        Self { sums: zeroed(sums), input: zeroed(input), grad: zeroed(grad), run }
    }

    /// Where tasks of `task` images write their transformed maps, one after the other.
    pub(super) fn transformed(
        &mut self,
        layer: &LayerPlan<P>,
        task: usize,
    ) -> impl Iterator<Item = Transformed<'_, P::Elem>> + use<'_, P> {
        let (input, grad) = match &layer.weight_gradient {
            Gradient::Winograd(gradient) => gradient.transformed(),
            Gradient::Direct(_) => (0, 0),
        };
        let tasks = if self.input.is_empty() { 0 } else { usize::MAX };
        let inputs = self.input.chunks_mut((task * input).max(1));
        inputs.zip(self.grad.chunks_mut((task * grad).max(1))).take(tasks)
    }

    /// Adds the tasks at hand, of so many images each.
    pub(super) fn add(&mut self, layer: &LayerPlan<P>, images: &[usize], tasks: Vec<&Scratch<P>>) {
        match &layer.weight_gradient {
            Gradient::Winograd(gradient) => {
                let parts = split(&mut self.sums, gradient.parts(), |part| gradient.part_len(*part));
                let (maps, images) = ((&self.input[..], &self.grad[..]), (images.iter().sum(), self.run));
                parts.into_par_iter().with_max_len(4).for_each(|(part, sums)| {
                    gradient.add_part(layer.kernels, images, maps, part, sums);
                });
            }
            Gradient::Direct(gradient) => {
                let parts = split(&mut self.sums, gradient.parts(), |part| gradient.part_len(*part));
                parts.into_par_iter().with_max_len(1).for_each(|(part, sums)| {
                    for (images, scratch) in images.iter().zip(&tasks) {
                        let maps = layer.in_turn(&scratch.input, &scratch.grad);
                        let maps = scratch.neighbours.of::<P>(maps);
                        gradient.add_part(layer.kernels, *images, maps, part, sums);
                    }
                });
            }
        }
    }

    /// Writes the gradient of the weight.
    pub(super) fn write(&self, layer: &LayerPlan<P>, weight: &mut [P::Elem]) {
        match &layer.weight_gradient {
            Gradient::Winograd(gradient) => gradient.unpack_into(layer.kernels, &self.sums, weight),
            Gradient::Direct(gradient) => gradient.unpack_into(&self.sums, weight),
        }
    }
}

/// Each part with its share of the sums.
fn split<E, Part>(
    mut sums: &mut [E],
    parts: impl Iterator<Item = Part>,
    len: impl Fn(&Part) -> usize,
) -> Vec<(Part, &mut [E])> {
    let share = |part: Part| {
        let (own, after) = std::mem::take(&mut sums).split_at_mut(len(&part));
        sums = after;
        (part, own)
    };
    parts.map(share).collect()
}
