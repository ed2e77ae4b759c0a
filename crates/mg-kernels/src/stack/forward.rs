use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::layer::LayerPlan;
use super::pool::Scratch;
use super::{Stack, Weighted};
use crate::Norm;
use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::engine::{Moments, Observed, combine, observe};
use crate::pointwise::{Affine, Apply, Walk};

/// What the way back needs of the way there.
pub(crate) struct Tape<P: Compiled> {
    stack: Arc<Stack<P>>,
    /// Images of the batch.
    pub(super) n: usize,
    /// Of each layer, its output before the norm.
    pub(super) raw: Vec<Aligned<P::Stored>>,
    /// What each layer's output was normalised by; `None` where that stands with the weights.
    pub(super) moments: Vec<Option<Moments<P::Elem>>>,
    /// Mean and biased variance of the batch, of the layers that it normalised.
    pub(crate) observed: Vec<Option<Observed>>,
}

impl<P: Compiled> Drop for Tape<P> {
    fn drop(&mut self) {
        for (l, raw) in self.raw.drain(..).enumerate() {
            self.stack.pool.batches.give(&self.stack.layers[l].raw, raw);
        }
    }
}

impl<P: Compiled> Weighted<P> {
    /// From `n` inputs `[n, c, y, x]` to what the way back needs; [`output`](Self::output) has the activations. `values` are all
    /// parameters.
    pub(crate) fn forward(&self, values: &[P::Elem], x: &[P::Elem], n: usize) -> Tape<P> {
        let (stack, count) = (self.stack.clone(), self.stack.layers.len());
        let (raw, moments, observed) = (Vec::with_capacity(count), vec![], vec![]);
        let mut tape = Tape { stack, n, raw, moments, observed };
        for l in 0..count {
            self.convolve(l, values, x, &mut tape);
        }
        tape
    }

    /// Layer `l` of the whole batch.
    fn convolve(&self, l: usize, values: &[P::Elem], x: &[P::Elem], tape: &mut Tape<P>) {
        let (layer, weights, n) = (&self.stack.layers[l], &self.weights.layers[l], tape.n);
        let forward = self.weights.forward(l, layer, values);
        let mut raw = self.stack.pool.batches.take(&layer.raw, n);
        let (task, each) = (layer.task(n), layer.raw.image());
        let tasks = n.div_ceil(task);
        let split = tasks < rayon::current_num_threads();
        let blocks = raw.par_chunks_mut(task * each).take(tasks).enumerate().with_max_len(1);
        let observed: Vec<_> = blocks
            .map(|(number, raw)| {
                let images = task * number..n.min(task * (number + 1));
                let mut scratch = self.stack.pool.scratch(l);
                layer.fit(&mut scratch, task);
                self.input(l, x, tape, images.clone(), &mut scratch);
                let block = Block { images: images.len(), split };
                let pool = &self.stack.pool;
                pool.with_room(|room| layer.run(&forward, block, &mut scratch, raw, room));
                let observed =
                    weights.fixed.is_none().then(|| observe(layer.kernels, raw, &layer.raw, images.len()));
                pool.give_scratch(l, scratch);
                observed.map(|observed| (observed, images.len() * layer.raw.side * layer.raw.side))
            })
            .collect();
        let observed = combine(observed.into_iter().flatten());
        let moments = match (&observed, layer.shape.norm) {
            (Some(observed), Norm::Batch { eps }) => {
                Some(Moments::of(layer.raw, observed, eps, &weights.gamma))
            }
            _ => None,
        };
        tape.raw.push(raw);
        tape.moments.push(moments);
        tape.observed.push(observed);
    }

    /// Makes layer `l`'s input of these images.
    pub(super) fn input(
        &self,
        l: usize,
        x: &[P::Elem],
        tape: &Tape<P>,
        images: Range<usize>,
        scratch: &mut Scratch<P>,
    ) {
        let layer = &self.stack.layers[l];
        match l.checked_sub(1) {
            None => {
                let each = self.stack.input_len();
                layer.input.load(&x[images.start * each..images.end * each], &mut scratch.input);
            }
            Some(below) => {
                let pass = self.activation(below, tape, images);
                layer.kernels.apply(&pass, &mut scratch.input, &layer.input);
            }
        }
    }

    /// The activations of layer `l` of these images, to be applied.
    pub(super) fn activation<'a>(
        &'a self,
        l: usize,
        tape: &'a Tape<P>,
        images: Range<usize>,
    ) -> Apply<'a, P> {
        let layer = &self.stack.layers[l];
        let each = layer.raw.image();
        Apply {
            walk: Walk { first: 0, images: images.len() },
            z: (&tape.raw[l][images.start * each..images.end * each], layer.raw),
            affine: self.affine(l, tape),
            curve: layer.curve,
        }
    }

    fn affine<'a>(&'a self, l: usize, tape: &'a Tape<P>) -> Affine<'a, P::Elem> {
        let moments = self.moments(l, tape);
        Affine { mean: &moments.mean, scale: &moments.scale, beta: &self.weights.layers[l].beta }
    }

    /// What layer `l`'s output is normalised by.
    pub(super) fn moments<'a>(&'a self, l: usize, tape: &'a Tape<P>) -> &'a Moments<P::Elem> {
        match (&tape.moments[l], &self.weights.layers[l].fixed) {
            (Some(moments), _) | (None, Some(moments)) => moments,
            (None, None) => unreachable!("a layer is normalised by its batch or by given numbers"),
        }
    }

    /// The activations of layer `l`, `[n, c, y, x]`.
    pub(crate) fn output(&self, l: usize, tape: &Tape<P>) -> Vec<P::Elem> {
        let layer: &LayerPlan<P> = &self.stack.layers[l];
        let (n, map) = (tape.n, layer.raw);
        let (task, each) = (layer.task(n), map.channels * map.side * map.side);
        let mut y = vec![P::Elem::ZERO; n * each];
        y.par_chunks_mut(task * each).enumerate().with_max_len(1).for_each(|(number, y)| {
            let images = task * number..n.min(task * (number + 1));
            let mut scratch = self.stack.pool.scratch(l);
            layer.fit(&mut scratch, task);
            layer.kernels.apply(&self.activation(l, tape, images), &mut scratch.output, &map);
            map.store(&scratch.output, y);
            self.stack.pool.give_scratch(l, scratch);
        });
        y
    }
}
