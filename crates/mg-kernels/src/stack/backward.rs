use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::layer::{Back, Gradient, LayerPlan};
use super::pool::Scratch;
use super::weight_sums::{Transformed, WeightSums};
use super::{Tape, Weighted};
use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::engine::{ChannelSums, Coefficients};
use crate::pointwise::{Combine, Walk};

/// Tasks per thread whose weight gradients are summed together: they wait for each other, with their maps in memory. Sums
/// are made task by task in any case, so their bits do not depend on it.
const TOGETHER: usize = 4;

/// Gradients of a network.
pub(crate) struct Gradients<E> {
    /// Of the input, `[n, c, y, x]`.
    pub(crate) input: Option<Vec<E>>,
    /// Of the vector of all parameters.
    pub(crate) parameters: Option<Vec<E>>,
}

/// The gradient at a layer: of its output before the norm, but for what comes through the norm's own statistics.
struct At<P: Compiled> {
    /// Of all images, in the layout of the layer's output.
    grad: Aligned<P::Stored>,
    /// Its sums, and those of its product with the centred output.
    sums: ChannelSums,
}

/// Where a task's results go.
struct Out<'a, P: Compiled> {
    /// The gradient of the layer below.
    next: Option<&'a mut [P::Stored]>,
    /// The gradient of the network's input.
    pixels: Option<&'a mut [P::Elem]>,
    /// Transformed inputs and gradients, where weight gradients are summed by them.
    transformed: Option<Transformed<'a, P::Elem>>,
}

/// What all tasks of a layer share.
struct Way<'a, P: Compiled> {
    l: usize,
    tape: &'a Tape<P>,
    x: &'a [P::Elem],
    at: &'a At<P>,
    coefficients: Coefficients<P::Elem>,
    /// Whether gradients of parameters are wanted.
    wants: bool,
    /// The way to the layer below or to the input, where it goes on there.
    back: Option<Arc<Back<P>>>,
    /// The layer below, where the way goes on to it.
    below: Option<usize>,
}

impl<P: Compiled> Weighted<P> {
    /// Gradients from that of the output, `dy [n, c, y, x]`; `values` are all parameters.
    pub(crate) fn backward(
        &self,
        tape: &Tape<P>,
        values: &[P::Elem],
        x: &[P::Elem],
        dy: &[P::Elem],
        (of_input, of_parameters): (bool, bool),
    ) -> Gradients<P::Elem> {
        let mut parameters = of_parameters.then(|| vec![P::Elem::ZERO; self.stack.shape.parameter_count()]);
        let mut rest = parameters.as_deref_mut();
        let mut input = of_input.then(|| vec![P::Elem::ZERO; tape.n * self.stack.input_len()]);
        let mut at = self.begin(tape, dy);
        for l in (0..self.stack.layers.len()).rev() {
            let own = rest.take().map(|all| {
                let (below, own) = all.split_at_mut(self.weights.start(l));
                rest = Some(below);
                own
            });
            let pixels = if l == 0 { input.as_deref_mut() } else { None };
            let goes_on = l > 0 && (of_input || of_parameters);
            // Before tasks begin: packing is parallel too, and a thread that waits for it may begin another task.
            let back =
                (goes_on || pixels.is_some()).then(|| self.weights.back(l, &self.stack.layers, values));
            at = self.descend(l, (tape, x), at, own, pixels, back);
        }
        Gradients { input, parameters }
    }

    /// Back through the last activation.
    fn begin(&self, tape: &Tape<P>, dy: &[P::Elem]) -> At<P> {
        let l = self.stack.layers.len() - 1;
        let layer = &self.stack.layers[l];
        let (task, each) = (layer.task(tape.n), self.stack.output_len());
        let mut grad = self.stack.pool.batches.take(&layer.raw, tape.n);
        let blocks = grad.par_chunks_mut(task * layer.raw.image()).zip(dy.par_chunks(task * each));
        let sums: Vec<_> = blocks
            .enumerate()
            .with_max_len(1)
            .map(|(number, (grad, dy))| {
                layer.raw.load(dy, grad);
                self.through_activation(l, tape, images(layer, tape.n, number), grad)
            })
            .collect();
        At { grad, sums: total(sums) }
    }

    /// From layer `l`'s gradient to that of the layer below, or to the input; `own` takes the gradients of its parameters.
    fn descend(
        &self,
        l: usize,
        (tape, x): (&Tape<P>, &[P::Elem]),
        at: At<P>,
        own: Option<&mut [P::Elem]>,
        pixels: Option<&mut [P::Elem]>,
        back: Option<Arc<Back<P>>>,
    ) -> At<P> {
        let (layer, pool, n) = (&self.stack.layers[l], &self.stack.pool, tape.n);
        let (task, wants) = (layer.task(n), own.is_some());
        let coefficients = self.coefficients(l, tape, &at.sums);
        let below = back.as_ref().and(l.checked_sub(1)).map(|below| (below, &self.stack.layers[below]));
        let mut next = below.map(|(_, plan)| pool.batches.take(&plan.raw, n));
        let mut nexts =
            below.zip(next.as_deref_mut()).map(|((_, plan), all)| all.chunks_mut(task * plan.raw.image()));
        let each = self.stack.input_len();
        let mut pixels = pixels.map(|all| all.chunks_mut(task * each));
        let room = pool.full.sums();
        let runs = rayon::current_num_threads().div_ceil(TOGETHER);
        let mut sums = WeightSums::new(layer, wants, (task, TOGETHER, runs), room);
        let mut below_sums = vec![];
        let numbers: Vec<usize> = (0..n.div_ceil(task)).collect();
        let way =
            Way { l, tape, x, at: &at, coefficients, wants, back, below: below.map(|(below, _)| below) };
        let split = numbers.len() < rayon::current_num_threads();
        for together in numbers.chunks(TOGETHER * runs) {
            let mut outs = Vec::with_capacity(together.len());
            let mut transformed = sums.transformed(layer).collect::<Vec<_>>().into_iter();
            for number in together {
                let next = nexts.as_mut().and_then(Iterator::next);
                let pixels = pixels.as_mut().and_then(Iterator::next);
                outs.push((images(layer, n, *number), Out { next, pixels, transformed: transformed.next() }));
            }
            let done: Vec<_> = outs
                .into_par_iter()
                .with_max_len(1)
                .map(|(images, out)| self.task(&way, images, split, out))
                .collect();
            if wants {
                let images: Vec<_> = together.iter().map(|number| images(layer, n, *number).len()).collect();
                sums.add(layer, &images, done.iter().map(|(scratch, _)| scratch).collect());
            }
            for (scratch, sums) in done {
                pool.give_scratch(l, scratch);
                below_sums.extend(sums);
            }
        }
        if let Some(own) = own {
            let (weight, vectors) = own.split_at_mut(layer.shape.conv.weight_dims().iter().product());
            sums.write(layer, weight);
            self.write_vectors(l, tape, &at.sums, vectors);
        }
        pool.full.give_sums(sums.room);
        pool.batches.give(&layer.raw, at.grad);
        At { grad: next.unwrap_or_default(), sums: total(below_sums) }
    }

    /// Some images' way from layer `l`'s gradient to that of the layer below, or to the input.
    fn task(
        &self,
        way: &Way<'_, P>,
        images: Range<usize>,
        split: bool,
        Out { next, pixels, transformed }: Out<'_, P>,
    ) -> (Scratch<P>, Option<ChannelSums>) {
        let (l, layer) = (way.l, &self.stack.layers[way.l]);
        let block = Block { images: images.len(), split };
        let mut scratch = self.stack.pool.scratch(l);
        layer.fit(&mut scratch, layer.task(way.tape.n));
        self.through_norm(way, images.clone(), &mut scratch);
        if way.wants {
            self.input(l, way.x, way.tape, images.clone(), &mut scratch);
            let Scratch { input, grad, neighbours, .. } = &mut scratch;
            let maps = layer.in_turn(input, grad);
            match (&layer.weight_gradient, transformed) {
                (Gradient::Winograd(gradient), Some(to)) => {
                    gradient.transform(layer.kernels, (block.images, layer.task(way.tape.n)), maps, to);
                }
                (Gradient::Winograd(_), None) => {
                    unreachable!("wanted gradients have room for transformed maps")
                }
                (Gradient::Direct(gradient), _) => gradient.pair::<P>(block.images, maps, neighbours),
            }
        }
        if let Some(pixels) = pixels {
            self.reach_input(way, block, pixels, &mut scratch);
        }
        let sums = way.below.zip(next).map(|(below, next)| {
            if let Some(Back::Hidden(back)) = way.back.as_deref() {
                let to = (&self.stack.layers[below].raw, &mut *next);
                self.stack.pool.with_room(|room| layer.run_back(back, block, &mut scratch, to, room));
            }
            self.through_activation(below, way.tape, images, next)
        });
        (scratch, sums)
    }

    /// Writes the gradient of these images' outputs before the norm as the way back reads it.
    fn through_norm(&self, way: &Way<'_, P>, images: Range<usize>, scratch: &mut Scratch<P>) {
        let (l, tape, layer) = (way.l, way.tape, &self.stack.layers[way.l]);
        let (map, each) = (layer.raw, layer.raw.image());
        let all = images.start * each..images.end * each;
        let Coefficients { by_grad, by_z, constant } = &way.coefficients;
        let (z, grad) = (&tape.raw[l][all.clone()], &way.at.grad[all]);
        let mean = &self.moments(l, tape).mean;
        let walk = Walk { first: 0, images: images.len() };
        let pass = Combine { walk, z, grad, map, mean, by_grad, by_z, constant };
        if layer.grad.pitch >= map.pitch {
            layer.kernels.combine(&pass, &mut scratch.grad, &layer.grad);
        } else {
            // Fewer channels than a vector has, closely packed.
            layer.kernels.combine(&pass, &mut scratch.output, &map);
            map.copy_to(walk.images, &scratch.output, (&layer.grad, &mut scratch.grad));
        }
    }

    /// To the gradient of the network's input `[n, c, y, x]`.
    fn reach_input(&self, way: &Way<'_, P>, block: Block, pixels: &mut [P::Elem], scratch: &mut Scratch<P>) {
        let layer = &self.stack.layers[way.l];
        let Some(Back::Pixels(back)) = way.back.as_deref() else { return };
        let image = layer.pixels();
        let map = back.map(layer.kernels, &image);
        scratch.pixels.grow(map.len(layer.images));
        let maps = (&scratch.grad[..], &mut scratch.pixels[..]);
        back.reach_images(layer.kernels, block, maps, (&image, &map), layer.shape.conv.stride, pixels);
    }
}

/// The images of a task.
fn images<P: Compiled>(layer: &LayerPlan<P>, n: usize, number: usize) -> Range<usize> {
    let task = layer.task(n);
    task * number..n.min(task * (number + 1))
}

fn total(parts: Vec<ChannelSums>) -> ChannelSums {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    parts.for_each(|part| total.add(&part));
    total
}
