use super::channel_sums::ChannelSums;
use super::moments::{Moments, observe, sums_about};
use super::{Kept, Plan, Scratch, Stage, StagedNorm};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::finish::Finish;
use crate::pointwise::{Affine, Apply, Head, Walk};
use crate::winograd::room::Room;
use candle_core::WithDType;

/// One block of images on its way through the network.
pub(crate) struct Pass<'a, P: Compiled> {
    pub(crate) plan: &'a Plan<P>,
    pub(crate) images: usize,
    pub(super) block: Block,
    pub(crate) kept: &'a mut Kept<P>,
    pub(crate) scratch: &'a mut Scratch<P>,
}

impl<'a, P: Compiled> Pass<'a, P> {
    pub(crate) fn new(
        plan: &'a Plan<P>,
        kept: &'a mut Kept<P>,
        scratch: &'a mut Scratch<P>,
        block: Block,
    ) -> Self {
        Self { plan, images: block.images, block, kept, scratch }
    }

    /// Takes the images in, `[n, c, y, x]`.
    pub(crate) fn load(&mut self, x: &[P::Elem]) {
        self.plan.maps[0].load(x, &mut self.scratch.image);
    }

    pub(super) fn all(&self) -> Walk {
        Walk { first: 0, images: self.images }
    }

    /// The input of layer `l`, which is the activation of the layer before.
    pub(super) fn input<'b>(
        plan: &Plan<P>,
        kept: &'b Kept<P>,
        scratch: &'b Scratch<P>,
        l: usize,
    ) -> &'b [P::Stored] {
        match l.checked_sub(1).map(|before| (before, &plan.layers[before].stage)) {
            None => &scratch.image,
            Some((before, Stage::Direct { .. })) => &kept.layers[before].values,
            Some((before, Stage::Staged { .. })) => &scratch.layers[before].values,
        }
    }

    /// The activations after layer `l`.
    pub(crate) fn activations(&self, l: usize) -> &[P::Stored] {
        Self::input(self.plan, self.kept, self.scratch, l + 1)
    }

    /// Convolves layer `l`'s input, and normalises by image where the norm asks for it.
    pub(crate) fn convolve(&mut self, l: usize) {
        let layer = &self.plan.layers[l];
        let finish = match layer.stage {
            Stage::Direct { slope } => Finish::Leaky(slope),
            Stage::Staged { .. } => Finish::Plain,
        };
        let mut output = std::mem::take(&mut self.kept.layers[l].values);
        let mut room = std::mem::replace(&mut self.scratch.room, Room::empty());
        let input = Self::input(self.plan, self.kept, self.scratch, l);
        layer.forward.run(self.plan.kernels, self.block, (input, &mut output), finish, None, &mut room);
        self.scratch.room = room;
        self.kept.layers[l].values = output;
        if let Stage::Staged { norm: StagedNorm::Group { groups, eps }, gamma, .. } = &layer.stage {
            let moments = (0..self.images).map(|n| self.group_moments(l, n, *groups, *eps, gamma));
            self.kept.layers[l].moments = moments.collect();
        }
    }

    /// Sums of the convolution's output minus `mean`, and of its square.
    fn sums_about(&self, l: usize, walk: Walk, mean: &[P::Elem]) -> ChannelSums {
        let (map, z) = (self.plan.layers[l].raw, &self.kept.layers[l].values);
        sums_about(self.plan.kernels, z, map, walk, mean)
    }

    /// Mean and sum of squared deviations of layer `l`'s convolution output, per channel, over this block.
    pub(crate) fn observe(&self, l: usize) -> (Vec<f64>, Vec<f64>) {
        observe(self.plan.kernels, &self.kept.layers[l].values, &self.plan.layers[l].raw, self.images)
    }

    fn group_moments(
        &self,
        l: usize,
        n: usize,
        groups: usize,
        eps: f64,
        gamma: &[P::Elem],
    ) -> Moments<P::Elem> {
        let map = self.plan.layers[l].raw;
        let (walk, size) = (Walk { first: n, images: 1 }, map.channels / groups);
        let count = (size * map.side * map.side) as f64;
        let first = self.sums_about(l, walk, &self.scratch.zeros);
        let mut moments = Moments::zero(map);
        for (group, sums) in first.sum.chunks(size).enumerate() {
            let mean = P::Elem::of(sums.iter().sum::<f64>() / count);
            moments.mean[group * size..(group + 1) * size].fill(mean);
        }
        let rest = self.sums_about(l, walk, &moments.mean);
        for group in 0..groups {
            let members = group * size..(group + 1) * size;
            let off = rest.sum[members.clone()].iter().sum::<f64>() / count;
            let variance = rest.product[members.clone()].iter().sum::<f64>() / count - off * off;
            let (mean, rstd) = (moments.mean[members.start].to_f64() + off, 1.0 / (variance + eps).sqrt());
            for c in members {
                moments.set(c, mean, rstd, gamma[c]);
            }
        }
        moments
    }

    /// What a staged layer's activation is applied with: passes over images that share moments.
    pub(super) fn walks(plan: &Plan<P>, l: usize, images: usize) -> Vec<Walk> {
        match &plan.layers[l].stage {
            Stage::Staged { norm: StagedNorm::Group { .. }, .. } => {
                (0..images).map(|first| Walk { first, images: 1 }).collect()
            }
            _ => vec![Walk { first: 0, images }],
        }
    }

    /// Makes the activations of a staged layer; `batch` holds the moments of a batch norm.
    pub(crate) fn activate(&mut self, l: usize, batch: Option<&Moments<P::Elem>>) {
        let (layer, to_map) = (&self.plan.layers[l], self.plan.maps[l + 1]);
        let Stage::Staged { curve, gamma, beta, .. } = &layer.stage else { return };
        let mut to = std::mem::take(&mut self.scratch.layers[l].values);
        for walk in Self::walks(self.plan, l, self.images) {
            let kept = &self.kept.layers[l];
            let affine = affine(batch.or(kept.moments.get(walk.first)), gamma, beta, &self.scratch.zeros);
            let pass = Apply { walk, z: (&kept.values, layer.raw), affine, curve: *curve };
            self.plan.kernels.apply(&pass, &mut to, &to_map);
        }
        self.scratch.layers[l].values = to;
    }

    /// The images' scores, from the last activations.
    pub(crate) fn scores(&self) -> impl Iterator<Item = f64> {
        let head = self.head();
        let last = self.activations(self.plan.layers.len() - 1);
        (0..self.images).map(move |n| self.plan.kernels.dot(&head, n, last) + self.plan.head_bias)
    }

    pub(super) fn head(&self) -> Head<'a, P::Elem> {
        Head { map: self.plan.maps[self.plan.layers.len()], weights: &self.plan.head }
    }
}

/// The affine map before an activation: the moments', or the identity with `gamma` ones and `beta` zeros.
pub(super) fn affine<'b, E: Element>(
    moments: Option<&'b Moments<E>>,
    gamma: &'b [E],
    beta: &'b [E],
    zeros: &'b [E],
) -> Affine<'b, E> {
    match moments {
        Some(moments) => Affine { mean: &moments.mean, scale: &moments.scale, beta },
        None => Affine { mean: zeros, scale: gamma, beta },
    }
}
