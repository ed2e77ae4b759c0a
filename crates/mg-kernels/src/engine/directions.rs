//! Derivatives of scores along directions of the images, and their gradients by the weights: a tangent follows the images
//! through the network, and both come back.

use std::ops::Range;

use candle_core::WithDType;

use super::gradients::Lane;
use super::pass::affine;
use super::{Engine, Pass, Stage, Steer};
use crate::aligned::Number;
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::pointwise::{Apply, Bend};
use crate::weight_gradient::Neighbours;

impl<P: Compiled> Engine<P> {
    /// What `direction` finds, and the sums of these lanes in a batch of `n` images; `x` holds the images of the lanes.
    pub(super) fn directional_lanes(
        &self,
        x: &[P::Elem],
        n: usize,
        lanes: Range<usize>,
        direction: Steer<'_>,
    ) -> (Vec<f64>, Vec<Lane<P>>) {
        self.by_lanes(x, n, lanes, |first, block, x, grads| {
            self.on_course(block, |course| {
                let mut gradient = course.gradient(x);
                let images = gradient.chunks_exact_mut(self.plan.pixels).enumerate();
                let steer = |(i, of_image): (usize, &mut [P::Elem])| {
                    let mut values: Vec<f64> = of_image.iter().map(|v| v.to_f64()).collect();
                    let found = direction(first + i, &mut values);
                    of_image.iter_mut().zip(&values).for_each(|(to, v)| *to = P::Elem::of(*v));
                    found
                };
                let found = images.map(steer).collect();
                course.follow(&gradient);
                course.add_weight_grads(grads);
                found
            })
        })
    }

    fn on_course<R>(&self, block: Block, work: impl FnOnce(&mut Course<'_, P>) -> R) -> R {
        self.with_scratch(|scratch| {
            self.with_kept(|kept| {
                let images = Pass::new(&self.plan, kept, scratch, block);
                self.with_scratch(|scratch| {
                    self.with_kept(|kept| {
                        work(&mut Course { images, tangent: Pass::new(&self.plan, kept, scratch, block) })
                    })
                })
            })
        })
    }
}

/// A block of images on its way through the network, and a tangent beside it.
///
/// With a layer's `y` before and `a` after its activation, `dy` and `da` their tangents: the derivative along the direction
/// is `<head, da>` of the last layer. Its gradient by `da` is what the score's is by `a`, so that both ways back share
/// it; its gradient by `a` has the activation's second derivative in it.
struct Course<'a, P: Compiled> {
    images: Pass<'a, P>,
    tangent: Pass<'a, P>,
}

impl<P: Compiled> Course<'_, P> {
    fn layers(&self) -> usize {
        self.images.plan.layers.len()
    }

    /// Takes images through the network and their scores' gradient back; that is returned, `[n, c, y, x]`.
    fn gradient(&mut self, x: &[P::Elem]) -> Vec<P::Elem> {
        self.images.ascend_to(x, self.layers());
        self.images.pull(|_| P::Elem::of(1.0));
        for l in (0..self.layers()).rev() {
            self.gate(l);
            if l > 0 {
                self.images.through_conv(l);
            }
        }
        let mut gradient = vec![P::Elem::ZERO; x.len()];
        self.images.reach_images(&mut gradient);
        gradient
    }

    /// Takes a direction of each image through the network.
    fn follow(&mut self, direction: &[P::Elem]) {
        self.tangent.load(direction);
        for l in 0..self.layers() {
            self.tangent.convolve(l);
            let mut to = std::mem::take(&mut self.tangent.scratch.layers[l].values);
            let plan = self.images.plan;
            if let Some(at) = self.before(l) {
                plan.kernels.slope(&at, &self.tangent.kept.layers[l].values, &mut to, &plan.maps[l + 1]);
            }
            self.tangent.scratch.layers[l].values = to;
        }
    }

    /// Adds the gradients of the derivatives along the direction.
    fn add_weight_grads(&mut self, lane: &mut Lane<P>) {
        let top = self.layers() - 1;
        let (one, head) = (P::Elem::of(1.0), self.tangent.head().map);
        for n in 0..self.tangent.images {
            let last = self.tangent.activations(top);
            self.tangent.plan.kernels.add_scaled(&head, n, one, last, &mut lane.head);
        }
        // The derivative is linear in the last tangent, so it does not depend on the last activations themselves.
        self.tangent.kept.layers[top].grads.fill(P::Stored::ZERO);
        let mut room = std::mem::replace(&mut self.images.scratch.neighbours, Neighbours::empty());
        for l in (0..=top).rev() {
            self.bend(l);
            self.images.add_products(l, &self.tangent, lane, &mut room);
            self.tangent.add_products(l, &self.images, lane, &mut room);
            self.tangent.add_bias_grads(l, lane);
            if l > 0 {
                self.tangent.through_conv(l);
            }
        }
        self.images.scratch.neighbours = room;
    }

    /// The activation of a layer where the images met it.
    fn before(&self, l: usize) -> Option<Apply<'_, P>> {
        let layer = &self.images.plan.layers[l];
        let Stage::Staged { curve, gamma, beta, .. } = &layer.stage else { return None };
        let affine = affine(None, gamma, beta, &self.images.scratch.zeros);
        let z = (&*self.images.kept.layers[l].values, layer.raw);
        Some(Apply { walk: self.images.all(), z, affine, curve: *curve })
    }

    /// From the score's gradient after a layer's activation to that before it.
    fn gate(&mut self, l: usize) {
        let mut to = std::mem::take(&mut self.images.scratch.layers[l].grads);
        let plan = self.images.plan;
        if let Some(at) = self.before(l) {
            plan.kernels.slope(&at, &self.images.kept.layers[l].grads, &mut to, &plan.layers[l].grad);
        }
        self.images.scratch.layers[l].grads = to;
    }

    /// From the derivative's gradient after a layer's activation to that before it.
    fn bend(&mut self, l: usize) {
        let mut to = std::mem::take(&mut self.tangent.scratch.layers[l].grads);
        let (plan, tangent) = (self.images.plan, &self.tangent.kept.layers[l]);
        let of_tangent = &*self.images.kept.layers[l].grads;
        let by = Bend { v: &tangent.values, of_tangent, of_value: &tangent.grads };
        if let Some(at) = self.before(l) {
            plan.kernels.bend(&at, &by, &mut to, &plan.layers[l].grad);
        }
        self.tangent.scratch.layers[l].grads = to;
    }
}
