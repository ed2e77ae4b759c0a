//! Batches whose images depend on each other through a batch norm: layer by layer over all blocks, whose forward
//! passes are all kept.

use std::ops::Range;

use crate::aligned::Number;
use candle_core::WithDType;
use rayon::prelude::*;

use super::channel_sums::ChannelSums;
use super::gradients::Lane;
use super::moments::{Moments, Observed, combine};
use super::{Blocks, Coefficient, Engine, Kept, Pass, Stage, StagedNorm};
use crate::compiled::Compiled;
use crate::element::Element;
use crate::part::lanes;

/// A batch between its layers.
struct Batch<'a, P: Compiled> {
    engine: &'a Engine<P>,
    x: &'a [P::Elem],
    blocks: Blocks,
    kept: Vec<Kept<P>>,
    /// Per layer done, the batch norm's moments.
    moments: Vec<Option<Moments<P::Elem>>>,
}

impl<P: Compiled> Engine<P> {
    pub(super) fn coupled_score(&self, x: &[P::Elem], n: usize) -> Vec<P::Elem> {
        let mut batch = Batch::new(self, x, n);
        batch.ascend(self.plan.layers.len());
        let f = batch.scores();
        batch.finish();
        f
    }

    pub(super) fn coupled_grad(
        &self,
        x: &[P::Elem],
        n: usize,
        factor: P::Elem,
    ) -> (Vec<P::Elem>, Vec<P::Elem>) {
        let mut batch = Batch::new(self, x, n);
        batch.ascend(self.plan.layers.len());
        let f = batch.scores();
        let mut sums = batch.pull(&vec![factor; n]);
        for l in (1..self.plan.layers.len()).rev() {
            sums = batch.descend(l, &sums);
        }
        let dx = batch.reach_images(&sums);
        batch.finish();
        (f, dx)
    }

    pub(super) fn coupled_weight_grads(
        &self,
        x: &[P::Elem],
        n: usize,
        coefficient: Coefficient<'_>,
    ) -> (Vec<P::Elem>, Vec<Lane<P>>) {
        let mut batch = Batch::new(self, x, n);
        batch.ascend(self.plan.layers.len());
        let f = batch.scores();
        let c: Vec<P::Elem> =
            f.iter().enumerate().map(|(i, f)| P::Elem::of(coefficient(i, f.to_f64()))).collect();
        let mut lanes: Vec<_> = (0..lanes(n)).into_par_iter().map(|_| Lane::zero(&self.plan)).collect();
        batch.add_head_grads(&c, &mut lanes);
        let mut sums = batch.pull(&c);
        for l in (0..self.plan.layers.len()).rev() {
            batch.add_weight_grads(l, &sums, &mut lanes);
            if l > 0 {
                sums = batch.descend(l, &sums);
            }
        }
        batch.finish();
        (f, lanes)
    }

    /// Activations after each of these layers, `[n, c, y, x]`, in one pass.
    pub(crate) fn features(&self, x: &[P::Elem], n: usize, layers: Range<usize>) -> Vec<Vec<P::Elem>> {
        let mut batch = Batch::new(self, x, n);
        batch.ascend(layers.end);
        let features = layers.map(|l| batch.activations(l)).collect();
        batch.finish();
        features
    }

    /// Per layer, mean and variance of the convolution's output. Only for an observing engine.
    pub(crate) fn statistics(&self, x: &[P::Elem], n: usize) -> Vec<Observed> {
        let mut batch = Batch::new(self, x, n);
        let observed = batch.ascend(self.plan.layers.len());
        batch.finish();
        observed
    }
}

impl<'a, P: Compiled> Batch<'a, P> {
    fn new(engine: &'a Engine<P>, x: &'a [P::Elem], n: usize) -> Self {
        let blocks = engine.blocks(n);
        Self { engine, x, blocks, kept: engine.take_kept(blocks.count), moments: vec![] }
    }

    fn finish(self) {
        self.engine.give_kept(self.kept);
    }

    /// Runs `work` on every block with its part of something.
    fn over_blocks<T: Send, R: Send>(
        &mut self,
        parts: Vec<T>,
        work: impl Fn(&mut Pass<'_, P>, &[Option<Moments<P::Elem>>], T, Range<usize>) -> R + Sync,
    ) -> Vec<R> {
        let (engine, blocks, moments) = (self.engine, self.blocks, &self.moments);
        let all = self.kept.par_iter_mut().zip(parts).enumerate().with_max_len(1);
        all.map(|(block, (kept, part))| {
            let images = blocks.images(block);
            engine.with_scratch(|scratch| {
                work(
                    &mut Pass::new(&engine.plan, kept, scratch, blocks.block(images.len())),
                    moments,
                    part,
                    images,
                )
            })
        })
        .collect()
    }

    fn units(&self) -> Vec<()> {
        vec![(); self.blocks.count]
    }

    /// Through the first `count` layers; what was observed at those that keep their convolution's output.
    fn ascend(&mut self, count: usize) -> Vec<Observed> {
        let (plan, x) = (&self.engine.plan, self.x);
        let mut all = vec![];
        for l in 0..count {
            let staged = matches!(plan.layers[l].stage, Stage::Staged { .. });
            let observed = self.over_blocks(self.units(), |pass, moments, (), images| {
                Self::input(pass, l, moments, &x[images.start * plan.pixels..images.end * plan.pixels]);
                pass.convolve(l);
                staged.then(|| pass.observe(l))
            });
            let observed: Vec<_> = observed.into_iter().flatten().collect();
            let area = plan.layers[l].raw.side * plan.layers[l].raw.side;
            let counts = (0..self.blocks.count).map(|block| self.blocks.images(block).len() * area);
            let moments = combine(observed.into_iter().zip(counts));
            self.moments.push(moments.as_ref().and_then(|observed| self.batch_moments(l, observed)));
            all.extend(moments);
        }
        all
    }

    /// Makes layer `l`'s input.
    fn input(pass: &mut Pass<'_, P>, l: usize, moments: &[Option<Moments<P::Elem>>], x: &[P::Elem]) {
        match l.checked_sub(1) {
            Some(before) => pass.activate(before, moments[before].as_ref()),
            None => pass.load(x),
        }
    }

    fn batch_moments(&self, l: usize, observed: &Observed) -> Option<Moments<P::Elem>> {
        let layer = &self.engine.plan.layers[l];
        let Stage::Staged { norm: StagedNorm::Batch { eps }, gamma, .. } = &layer.stage else { return None };
        Some(Moments::of(layer.raw, observed, *eps, gamma))
    }

    /// Activations after layer `l`, `[n, c, y, x]`.
    fn activations(&mut self, l: usize) -> Vec<P::Elem> {
        let map = self.engine.plan.maps[l + 1];
        let each = map.channels * map.side * map.side;
        let mut activations = vec![P::Elem::ZERO; self.blocks.n * each];
        let parts = self.blocks.cut(&mut activations, each);
        self.over_blocks(parts, |pass, moments, part, _| {
            pass.activate(l, moments[l].as_ref());
            map.store(pass.activations(l), part);
        });
        activations
    }

    fn scores(&mut self) -> Vec<P::Elem> {
        let last = self.engine.plan.layers.len() - 1;
        let scores = self.over_blocks(self.units(), |pass, moments, (), _| {
            pass.activate(last, moments[last].as_ref());
            pass.scores().map(<P::Elem as Element>::of).collect::<Vec<P::Elem>>()
        });
        scores.concat()
    }

    /// Begins the backward pass. Like [`descend`](Self::descend), returns the sums that the layer's batch norm needs.
    fn pull(&mut self, c: &[P::Elem]) -> ChannelSums {
        let last = self.engine.plan.layers.len() - 1;
        let sums = self.over_blocks(self.units(), |pass, moments, (), images| {
            pass.pull(|i| c[images.start + i]);
            pass.through_activation(last, moments[last].as_ref())
        });
        total(sums)
    }

    /// From layer `l`'s gradient to that of the layer before.
    fn descend(&mut self, l: usize, sums: &ChannelSums) -> ChannelSums {
        let count = self.count(l);
        let next = self.over_blocks(self.units(), |pass, moments, (), _| {
            pass.through_norm(l, moments[l].as_ref().map(|m| (m, sums, count)), None);
            pass.through_conv(l);
            pass.through_activation(l - 1, moments[l - 1].as_ref())
        });
        total(next)
    }

    fn reach_images(&mut self, sums: &ChannelSums) -> Vec<P::Elem> {
        let (pixels, count) = (self.engine.plan.pixels, self.count(0));
        let mut dx = vec![P::Elem::ZERO; self.blocks.n * pixels];
        let parts = self.blocks.cut(&mut dx, pixels);
        self.over_blocks(parts, |pass, moments, dx, _| {
            pass.through_norm(0, moments[0].as_ref().map(|m| (m, sums, count)), None);
            pass.reach_images(dx);
        });
        dx
    }

    /// Values per channel that layer `l`'s batch norm averages.
    fn count(&self, l: usize) -> usize {
        let side = self.engine.plan.layers[l].raw.side;
        self.blocks.n * side * side
    }

    /// Runs `work` on every lane's blocks in order, lanes side by side.
    fn over_lanes(
        &mut self,
        lanes: &mut [Lane<P>],
        work: impl Fn(&mut Pass<'_, P>, &mut Lane<P>, Range<usize>) + Sync,
    ) {
        let (engine, blocks) = (self.engine, self.blocks);
        let mut shares = Vec::with_capacity(lanes.len());
        let mut rest = &mut self.kept[..];
        for lane in 0..lanes.len() {
            let (share, others) = rest.split_at_mut(blocks.of_lane(lane).len());
            shares.push(share);
            rest = others;
        }
        lanes.par_iter_mut().zip(shares).enumerate().with_max_len(1).for_each(|(lane, (grads, share))| {
            for (block, kept) in blocks.of_lane(lane).zip(share) {
                let images = blocks.images(block);
                engine.with_scratch(|scratch| {
                    work(
                        &mut Pass::new(&engine.plan, kept, scratch, blocks.block(images.len())),
                        grads,
                        images,
                    );
                });
            }
        });
    }

    fn add_head_grads(&mut self, c: &[P::Elem], lanes: &mut [Lane<P>]) {
        let last = self.engine.plan.layers.len() - 1;
        let moments = std::mem::take(&mut self.moments);
        self.over_lanes(lanes, |pass, lane, images| {
            pass.activate(last, moments[last].as_ref());
            pass.add_head_grads(|i| c[images.start + i], lane);
        });
        self.moments = moments;
    }

    fn add_weight_grads(&mut self, l: usize, sums: &ChannelSums, lanes: &mut [Lane<P>]) {
        let (count, x, pixels) = (self.count(l), self.x, self.engine.plan.pixels);
        let moments = std::mem::take(&mut self.moments);
        let batch = moments[l].as_ref().map(|m| (m, sums, count));
        if let (Some((moments, sums, _)), Some(lane)) = (batch, lanes.first_mut()) {
            lane.add_affine(l, sums, &moments.rstd);
        }
        self.over_lanes(lanes, |pass, lane, images| {
            Self::input(pass, l, &moments, &x[images.start * pixels..images.end * pixels]);
            pass.through_norm(l, batch, Some(lane));
            pass.add_weight_grads(l, lane);
        });
        self.moments = moments;
    }
}

fn total(parts: Vec<Option<ChannelSums>>) -> ChannelSums {
    let mut parts = parts.into_iter().flatten();
    let mut total = parts.next().unwrap_or_default();
    parts.for_each(|part| total.add(&part));
    total
}
