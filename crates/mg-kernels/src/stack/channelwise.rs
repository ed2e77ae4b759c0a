//! The way back through activations and norms: what a channel needs of all its pixels.

use std::ops::Range;

use super::{Tape, Weighted};
use crate::Norm;
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::engine::{ChannelSums, Coefficients};
use crate::pointwise::Sums;

impl<P: Compiled> Weighted<P> {
    /// Takes a gradient of layer `l`'s activations back through the activation, in place.
    pub(super) fn through_activation(
        &self,
        l: usize,
        tape: &Tape<P>,
        images: Range<usize>,
        grad: &mut [P::Stored],
    ) -> ChannelSums {
        let layer = &self.stack.layers[l];
        let pass = self.activation(l, tape, images);
        layer.kernels.gate(&pass, grad);
        let (mut sums, map) = (ChannelSums::zero(layer.raw.channels), layer.raw);
        let zeros: Aligned<P::Elem> = Aligned::zeroed(map.pitch);
        let pass = Sums { walk: pass.walk, a: (grad, map, &zeros), b: (pass.z.0, map, pass.affine.mean) };
        layer.kernels.sums(&pass, &mut sums.sum, &mut sums.product);
        sums
    }

    /// The last step through a norm, per channel.
    pub(super) fn coefficients(&self, l: usize, tape: &Tape<P>, sums: &ChannelSums) -> Coefficients<P::Elem> {
        let layer = &self.stack.layers[l];
        let mut coefficients = Coefficients::zeroed(layer.raw.pitch);
        match (&tape.moments[l], &self.weights.layers[l].fixed) {
            (Some(moments), _) => {
                coefficients.set_batch(moments, sums, tape.n * layer.raw.side * layer.raw.side);
            }
            (None, fixed) => {
                fixed.iter().for_each(|moments| coefficients.by_grad.copy_from_slice(&moments.scale));
            }
        }
        coefficients
    }

    /// The gradients of layer `l`'s bias, or of its gamma and beta.
    pub(super) fn write_vectors(
        &self,
        l: usize,
        tape: &Tape<P>,
        sums: &ChannelSums,
        vectors: &mut [P::Elem],
    ) {
        let layer = &self.stack.layers[l];
        let write = |to: &mut [P::Elem], from: &mut dyn Iterator<Item = f64>| {
            to.iter_mut().zip(from).for_each(|(to, value)| *to = P::Elem::of(value));
        };
        match layer.shape.norm {
            Norm::None => write(vectors, &mut sums.sum.iter().copied()),
            _ => {
                let (gamma, beta) = vectors.split_at_mut(layer.raw.channels);
                let rstd = &self.moments(l, tape).rstd;
                write(gamma, &mut sums.product.iter().zip(rstd).map(|(product, rstd)| product * rstd));
                write(beta, &mut sums.sum.iter().copied());
            }
        }
    }
}
