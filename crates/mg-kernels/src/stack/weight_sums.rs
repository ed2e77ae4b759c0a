use rayon::prelude::*;

use super::layer::LayerPlan;
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
        let (sums, (input, grad)) = match (&layer.winograd_gradient, wanted) {
            (_, false) => (0, (0, 0)),
            (Some(gradient), true) => {
                let (input, grad) = gradient.transformed();
                (gradient.len(), (run * runs * input + MOST_ROWS, run * runs * grad))
            }
            (None, true) => (layer.weight_gradient.len(), (0, 0)),
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
        let (input, grad) =
            layer.winograd_gradient.as_ref().map_or((0, 0), |gradient| gradient.transformed());
        let tasks = if self.input.is_empty() { 0 } else { usize::MAX };
        let inputs = self.input.chunks_mut((task * input).max(1));
        inputs.zip(self.grad.chunks_mut((task * grad).max(1))).take(tasks)
    }

    /// Adds the tasks at hand, of so many images each.
    pub(super) fn add(&mut self, layer: &LayerPlan<P>, images: &[usize], tasks: Vec<&Scratch<P>>) {
        let mut rest = &mut self.sums[..];
        if let Some(gradient) = &layer.winograd_gradient {
            let mut parts = vec![];
            for part in gradient.parts() {
                let (own, after) = rest.split_at_mut(gradient.part_len(part));
                parts.push((part, own));
                rest = after;
            }
            let (maps, images) = ((&self.input[..], &self.grad[..]), (images.iter().sum(), self.run));
            parts.into_par_iter().with_max_len(4).for_each(|(part, sums)| {
                gradient.add_part(layer.kernels, images, maps, part, sums);
            });
            return;
        }
        let (gradient, mut parts) = (&layer.weight_gradient, vec![]);
        for part in gradient.parts() {
            let (own, after) = rest.split_at_mut(gradient.part_len(part));
            parts.push((part, own));
            rest = after;
        }
        parts.into_par_iter().with_max_len(1).for_each(|(part, sums)| {
            for (images, scratch) in images.iter().zip(&tasks) {
                let maps = layer.in_turn(&scratch.input, &scratch.grad);
                let maps = scratch.neighbours.of::<P>(maps);
                gradient.add_part(layer.kernels, *images, maps, part, sums);
            }
        });
    }

    /// Writes the gradient of the weight.
    pub(super) fn write(&self, layer: &LayerPlan<P>, weight: &mut [P::Elem]) {
        match (&layer.winograd_gradient, &layer.cells) {
            (Some(gradient), Some(cells)) => {
                cells.gradient(&layer.shape.conv, &gradient.weight(&self.sums), weight);
            }
            _ => layer.weight_gradient.unpack_into(&self.sums, weight),
        }
    }
}
