use rayon::prelude::*;

use super::layer::{Gradient, LayerPlan};
use super::pool::Scratch;
use crate::aligned::Number;
use crate::compiled::Compiled;
use crate::memory::SumRoom;
use crate::tile::MOST_ROWS;

/// Numbers that are set to zero at once.
const PIECE: usize = 1 << 16;

/// The sums of a layer's weight gradients over tasks, each part of them made by one thread, task by task in their order.
pub(super) struct WeightSums<P: Compiled> {
    pub(super) room: SumRoom<P::Elem>,
    /// Numbers of the sums.
    len: usize,
    /// Most images of a task.
    task: usize,
    /// Images whose transformed maps are summed before the sum is added to the others: the same for any number of threads.
    run: usize,
}

/// A task's share of transformed inputs and gradients.
pub(super) type Transformed<'a, E> = (&'a mut [E], &'a mut [E]);

impl<P: Compiled> WeightSums<P> {
    /// No sums yet, of up to `runs` runs of `together` tasks of `task` images at a time; nothing at all unless they are wanted.
    pub(super) fn new(
        layer: &LayerPlan<P>,
        wanted: bool,
        (task, together, runs): (usize, usize, usize),
        mut room: SumRoom<P::Elem>,
    ) -> Self {
        let run = task * together;
        let len = match (&layer.weight_gradient, wanted) {
            (_, false) => 0,
            (Gradient::Winograd(gradient), true) => {
                let (input, grad) = gradient.transformed();
                room.input.grow(run * runs * input + MOST_ROWS);
                room.grad.grow(run * runs * grad);
                gradient.len()
            }
            (Gradient::Direct(gradient), true) => gradient.len(),
        };
        room.sums.grow(len);
        room.sums[..len].par_chunks_mut(PIECE).for_each(|sums| sums.fill(P::Elem::ZERO));
        Self { room, len, task, run }
    }

    /// Where tasks write their transformed maps, one after the other.
    pub(super) fn transformed(
        &mut self,
        layer: &LayerPlan<P>,
    ) -> impl Iterator<Item = Transformed<'_, P::Elem>> + use<'_, P> {
        let (input, grad) = match &layer.weight_gradient {
            Gradient::Winograd(gradient) if self.len > 0 => gradient.transformed(),
            _ => (0, 0),
        };
        let tasks = if input == 0 { 0 } else { usize::MAX };
        let inputs = self.room.input.chunks_mut((self.task * input).max(1));
        inputs.zip(self.room.grad.chunks_mut((self.task * grad).max(1))).take(tasks)
    }

    /// Adds the tasks at hand, of so many images each.
    pub(super) fn add(&mut self, layer: &LayerPlan<P>, images: &[usize], tasks: Vec<&Scratch<P>>) {
        let SumRoom { sums, input, grad } = &mut self.room;
        let sums = &mut sums[..self.len];
        match &layer.weight_gradient {
            Gradient::Winograd(gradient) => {
                let parts = split(sums, gradient.parts(), |part| gradient.part_len(*part));
                let (maps, images) = ((&input[..], &grad[..]), (images.iter().sum(), self.task, self.run));
                parts.into_par_iter().with_max_len(4).for_each(|(part, sums)| {
                    gradient.add_part(layer.kernels, images, maps, part, sums);
                });
            }
            Gradient::Direct(gradient) => {
                let parts = split(sums, gradient.parts(), |part| gradient.part_len(*part));
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
            Gradient::Winograd(gradient) => {
                gradient.unpack_into(layer.kernels, &self.room.sums[..self.len], weight)
            }
            Gradient::Direct(gradient) => gradient.unpack_into(&self.room.sums[..self.len], weight),
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
