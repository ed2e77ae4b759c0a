//! Images that do not depend on each other: each task takes a block through the whole network and back while it is
//! in the cache.

use std::ops::Range;

use crate::aligned::Number;
use candle_core::WithDType;
use rayon::prelude::*;

use super::gradients::Lane;
use super::{Coefficient, Engine, Pass};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;

impl<P: Compiled> Engine<P> {
    pub(super) fn independent_score(&self, x: &[P::Elem], n: usize) -> Vec<P::Elem> {
        let (blocks, mut f) = (self.even_blocks(n), vec![P::Elem::ZERO; n]);
        let parts = blocks.cut(&mut f, 1);
        parts.into_par_iter().enumerate().with_max_len(1).for_each(|(block, f)| {
            let images = blocks.images(block);
            self.on_block(blocks.block(images.len()), |pass| {
                pass.ascend(&x[images.start * self.plan.pixels..images.end * self.plan.pixels]);
                f.iter_mut().zip(pass.scores()).for_each(|(to, score)| *to = P::Elem::of(score));
            });
        });
        f
    }

    pub(super) fn independent_grad(
        &self,
        x: &[P::Elem],
        n: usize,
        factor: P::Elem,
    ) -> (Vec<P::Elem>, Vec<P::Elem>) {
        let pixels = self.plan.pixels;
        let (blocks, mut f, mut dx) =
            (self.even_blocks(n), vec![P::Elem::ZERO; n], vec![P::Elem::ZERO; n * pixels]);
        let parts: Vec<_> = blocks.cut(&mut f, 1).into_iter().zip(blocks.cut(&mut dx, pixels)).collect();
        parts.into_par_iter().enumerate().with_max_len(1).for_each(|(block, (f, dx))| {
            let images = blocks.images(block);
            self.on_block(blocks.block(images.len()), |pass| {
                pass.ascend(&x[images.start * pixels..images.end * pixels]);
                f.iter_mut().zip(pass.scores()).for_each(|(to, score)| *to = P::Elem::of(score));
                pass.pull(|_| factor);
                pass.descend(None);
                pass.reach_images(dx);
            });
        });
        (f, dx)
    }

    /// Scores, and the sums of these lanes in a batch of `n` images; `x` holds the images of the lanes.
    pub(super) fn independent_weight_grads(
        &self,
        x: &[P::Elem],
        n: usize,
        lanes: Range<usize>,
        coefficient: Coefficient<'_>,
    ) -> (Vec<P::Elem>, Vec<Lane<P>>) {
        self.by_lanes(x, n, lanes, |first, block, x, grads| {
            self.on_block(block, |pass| {
                pass.ascend(x);
                let f: Vec<f64> = pass.scores().map(|score| P::Elem::of(score).to_f64()).collect();
                let weigh = |(i, f): (usize, &f64)| P::Elem::of(coefficient(first + i, *f));
                let c: Vec<P::Elem> = f.iter().enumerate().map(weigh).collect();
                pass.add_head_grads(|i| c[i], grads);
                pass.pull(|i| c[i]);
                pass.descend(Some(grads));
                f.into_iter().map(<P::Elem as Element>::of).collect()
            })
        })
    }

    /// Takes the images of these lanes in a batch of `n` images block by block through `work`, which adds to the lane's
    /// sums and tells something of every image. It is given the number of the block's first image, the block and its
    /// images; `x` holds the images of the lanes.
    pub(super) fn by_lanes<R: Clone + Send>(
        &self,
        x: &[P::Elem],
        n: usize,
        lanes: Range<usize>,
        work: impl Fn(usize, Block, &[P::Elem], &mut Lane<P>) -> Vec<R> + Sync,
    ) -> (Vec<R>, Vec<Lane<P>>) {
        let (blocks, pixels) = (self.blocks(n), self.plan.pixels);
        let first = blocks.start(blocks.of_lane(lanes.start).start);
        let split = lanes.len() < rayon::current_num_threads();
        let lanes = lanes.into_par_iter().with_max_len(1).map(|lane| {
            let (mut grads, mut told) = (Lane::zero(&self.plan), vec![]);
            for block in blocks.of_lane(lane) {
                let images = blocks.images(block);
                let x = &x[(images.start - first) * pixels..(images.end - first) * pixels];
                told.extend(work(images.start, Block { images: images.len(), split }, x, &mut grads));
            }
            (told, grads)
        });
        let (told, lanes): (Vec<Vec<R>>, Vec<Lane<P>>) = lanes.unzip();
        (told.concat(), lanes)
    }

    fn on_block<R>(&self, block: Block, work: impl FnOnce(&mut Pass<'_, P>) -> R) -> R {
        self.with_scratch(|scratch| {
            self.with_kept(|kept| work(&mut Pass::new(&self.plan, kept, scratch, block)))
        })
    }
}

impl<P: Compiled> Pass<'_, P> {
    /// From the images to the last activations, when no layer waits for the batch.
    fn ascend(&mut self, x: &[P::Elem]) {
        self.ascend_to(x, self.plan.layers.len());
    }

    /// Through the first `count` layers.
    pub(super) fn ascend_to(&mut self, x: &[P::Elem], count: usize) {
        self.load(x);
        for l in 0..count {
            self.convolve(l);
            self.activate(l, None);
        }
    }

    /// From the head to the first layer's gradient, collecting weight gradients in `lane`.
    fn descend(&mut self, mut lane: Option<&mut Lane<P>>) {
        for l in (0..self.plan.layers.len()).rev() {
            self.through_activation(l, None);
            self.through_norm(l, None, lane.as_deref_mut());
            if let Some(lane) = lane.as_deref_mut() {
                self.add_weight_grads(l, lane);
            }
            if l > 0 {
                self.through_conv(l);
            }
        }
    }
}
