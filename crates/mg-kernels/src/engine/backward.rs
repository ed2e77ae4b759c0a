//! The way back of a block, from the head to the images and the weights.

use super::adjoint::Adjoint;
use super::channel_sums::ChannelSums;
use super::coefficients::Coefficients;
use super::gradients::Lane;
use super::moments::Moments;
use super::pass::affine;
use super::{Kept, Pass, Plan, Scratch, Stage, StagedNorm};
use crate::compiled::Compiled;
use crate::finish::Finish;
use crate::pointwise::{Apply, Combine, Sums, Walk};
use crate::weight_gradient::Neighbours;
use crate::winograd::room::Room;
use candle_core::WithDType;

impl<P: Compiled> Pass<'_, P> {
    /// Begins the backward pass at the head; `coefficient` per image.
    pub(crate) fn pull(&mut self, coefficient: impl Fn(usize) -> P::Elem) {
        let l = self.plan.layers.len() - 1;
        let (layer, head) = (&self.plan.layers[l], self.head());
        let kept = &mut self.kept.layers[l];
        for n in 0..self.images {
            let (gate, map) = match layer.stage {
                Stage::Direct { slope } => (Some((&*kept.values, slope)), layer.grad),
                Stage::Staged { .. } => (None, layer.raw),
            };
            self.plan.kernels.pull(&head, n, coefficient(n), gate, &mut kept.grads, &map);
        }
    }

    /// Takes a staged layer's gradient back through its activation. Sums it per channel when the norm is a batch norm.
    pub(crate) fn through_activation(
        &mut self,
        l: usize,
        batch: Option<&Moments<P::Elem>>,
    ) -> Option<ChannelSums> {
        let layer = &self.plan.layers[l];
        let Stage::Staged { norm, curve, gamma, beta } = &layer.stage else { return None };
        for walk in Self::walks(self.plan, l, self.images) {
            let kept = &mut self.kept.layers[l];
            let moments = batch.or(kept.moments.get(walk.first));
            let affine = affine(moments, gamma, beta, &self.scratch.zeros);
            let pass = Apply { walk, z: (&kept.values, layer.raw), affine, curve: *curve };
            self.plan.kernels.gate(&pass, &mut kept.grads);
        }
        match (norm, batch) {
            (StagedNorm::Batch { .. }, Some(moments)) => {
                Some(self.gradient_sums(l, self.all(), &moments.mean))
            }
            _ => None,
        }
    }

    fn gradient_sums(&self, l: usize, walk: Walk, mean: &[P::Elem]) -> ChannelSums {
        let (map, kept) = (self.plan.layers[l].raw, &self.kept.layers[l]);
        let mut sums = ChannelSums::zero(map.channels);
        let pass = Sums { walk, a: (&kept.grads, map, &self.scratch.zeros), b: (&kept.values, map, mean) };
        self.plan.kernels.sums(&pass, &mut sums.sum, &mut sums.product);
        sums
    }

    /// Takes a staged layer's gradient back through its norm, to the convolution's output. `batch` holds a batch
    /// norm's moments and sums over `count` values per channel; `lane` collects gradients of gamma and beta.
    pub(crate) fn through_norm(
        &mut self,
        l: usize,
        batch: Option<(&Moments<P::Elem>, &ChannelSums, usize)>,
        mut lane: Option<&mut Lane<P>>,
    ) {
        let layer = &self.plan.layers[l];
        let Stage::Staged { norm, gamma, .. } = &layer.stage else { return };
        let mut to = std::mem::take(&mut self.scratch.layers[l].grads);
        for walk in Self::walks(self.plan, l, self.images) {
            let moments = match (norm, batch) {
                (StagedNorm::Batch { .. }, Some((moments, sums, count))) => {
                    self.scratch.coefficients.set_batch(moments, sums, count);
                    Some(moments)
                }
                (StagedNorm::Group { groups, .. }, _) => {
                    let mean = &self.kept.layers[l].moments[walk.first].mean;
                    let sums = self.gradient_sums(l, walk, mean);
                    let moments = &self.kept.layers[l].moments[walk.first];
                    if let Some(lane) = &mut lane {
                        lane.add_affine(l, &sums, &moments.rstd);
                    }
                    let area = layer.raw.side * layer.raw.side;
                    self.scratch.coefficients.set_group((moments, gamma), &sums, (*groups, area));
                    Some(moments)
                }
                _ => {
                    self.scratch.coefficients.set_identity();
                    None
                }
            };
            let Coefficients { by_grad, by_z, constant } = &self.scratch.coefficients;
            let kept = &self.kept.layers[l];
            let mean = moments.map_or(&self.scratch.zeros, |moments| &moments.mean);
            let (z, grad, map) = (&kept.values, &kept.grads, layer.raw);
            let pass = Combine { walk, z, grad, map, mean, by_grad, by_z, constant };
            self.plan.kernels.combine(&pass, &mut to, &layer.grad);
        }
        self.scratch.layers[l].grads = to;
    }

    /// The gradient of layer `l`'s convolution output.
    fn grad<'b>(plan: &Plan<P>, kept: &'b Kept<P>, scratch: &'b Scratch<P>, l: usize) -> &'b [P::Stored] {
        match plan.layers[l].stage {
            Stage::Direct { .. } => &kept.layers[l].grads,
            Stage::Staged { .. } => &scratch.layers[l].grads,
        }
    }

    /// Takes the gradient back through layer `l`'s convolution, to the layer before.
    pub(crate) fn through_conv(&mut self, l: usize) {
        let Adjoint::Hidden(adjoint) = &self.plan.layers[l].adjoint else { return };
        let mut to = std::mem::take(&mut self.kept.layers[l - 1].grads);
        let mut room = std::mem::replace(&mut self.scratch.room, Room::empty());
        let grad = Self::grad(self.plan, self.kept, self.scratch, l);
        let gate = match self.plan.layers[l - 1].stage {
            Stage::Direct { slope } => Some((&*self.kept.layers[l - 1].values, slope)),
            Stage::Staged { .. } => None,
        };
        adjoint.run(self.plan.kernels, self.block, (grad, &mut to), Finish::Plain, gate, &mut room);
        self.scratch.room = room;
        self.kept.layers[l - 1].grads = to;
    }

    /// Takes the gradient back through the first convolution, to the images `[n, c, y, x]`.
    pub(crate) fn reach_images(&mut self, dx: &mut [P::Elem]) {
        let layer = &self.plan.layers[0];
        let map = layer.adjoint.map(self.plan.kernels, &self.plan.maps[0]);
        let mut to = std::mem::take(&mut self.scratch.image_grad);
        let grad = Self::grad(self.plan, self.kept, self.scratch, 0);
        let maps = (&self.plan.maps[0], &map);
        layer.adjoint.reach_images(
            self.plan.kernels,
            self.block,
            (grad, &mut to),
            maps,
            layer.conv.stride,
            dx,
        );
        self.scratch.image_grad = to;
    }

    /// Adds the gradients of layer `l`'s weights and biases.
    pub(crate) fn add_weight_grads(&mut self, l: usize, lane: &mut Lane<P>) {
        let mut neighbours = std::mem::replace(&mut self.scratch.neighbours, Neighbours::empty());
        self.add_products(l, self, lane, &mut neighbours);
        self.scratch.neighbours = neighbours;
        self.add_bias_grads(l, lane);
    }

    /// Adds the products of layer `l`'s gradient here with its input in `inputs`, as gradients of its weights.
    pub(super) fn add_products(
        &self,
        l: usize,
        inputs: &Self,
        lane: &mut Lane<P>,
        room: &mut Neighbours<P::Stored>,
    ) {
        let input = Self::input(inputs.plan, inputs.kept, inputs.scratch, l);
        let maps = (input, Self::grad(self.plan, self.kept, self.scratch, l));
        let (gradient, into) = (&self.plan.layers[l].weight_gradient, &mut lane.layers[l].weight);
        gradient.add(self.plan.kernels, self.images, maps, into, room);
    }

    /// Adds the gradients of layer `l`'s biases.
    pub(super) fn add_bias_grads(&self, l: usize, lane: &mut Lane<P>) {
        let (layer, zeros) = (&self.plan.layers[l], &*self.scratch.zeros);
        let grad = Self::grad(self.plan, self.kept, self.scratch, l);
        let pass = Sums { walk: self.all(), a: (grad, layer.grad, zeros), b: (grad, layer.grad, zeros) };
        let mut ignored = vec![0.0; layer.conv.c_out];
        self.plan.kernels.sums(&pass, &mut lane.layers[l].bias, &mut ignored);
    }

    /// Adds the head's gradients; `coefficient` per image.
    pub(crate) fn add_head_grads(&self, coefficient: impl Fn(usize) -> P::Elem, lane: &mut Lane<P>) {
        let last = self.activations(self.plan.layers.len() - 1);
        let map = self.head().map;
        for n in 0..self.images {
            self.plan.kernels.add_scaled(&map, n, coefficient(n), last, &mut lane.head);
            lane.head_bias += coefficient(n).to_f64();
        }
    }
}
