use super::numbers::numbers;
use super::purpose::Purpose;
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::curve::Curve;
use crate::element::Element;
use crate::{Activation, LayerShape, LayerWeights, Norm, Result};

/// What lies between a convolution and its activation.
pub(crate) enum Stage<P: Compiled> {
    /// Nothing (or constants, folded into the weights) and leaky ReLU: the convolution writes activations, and their
    /// signs tell the derivative.
    Direct { slope: P::Elem },
    /// The convolution's output is kept; activations are made from it.
    ///
    /// Where directions are asked for, the convolution's bias is `beta`: tangents take the same convolutions without it.
    Staged { norm: StagedNorm, curve: Curve<P::Elem>, gamma: Aligned<P::Elem>, beta: Aligned<P::Elem> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StagedNorm {
    None,
    Batch { eps: f64 },
    Group { groups: usize, eps: f64 },
}

impl<P: Compiled> Stage<P> {
    pub(super) fn new(
        layer: &LayerShape,
        weights: &LayerWeights,
        (bias, lanes): (&[P::Elem], usize),
        purpose: Purpose,
    ) -> Result<Self> {
        let norm = match layer.norm {
            Norm::None | Norm::Fixed { .. } => StagedNorm::None,
            Norm::Batch { eps } => StagedNorm::Batch { eps },
            Norm::Group { groups, eps } => StagedNorm::Group { groups, eps },
        };
        if let (StagedNorm::None, Activation::LeakyRelu { slope }, Purpose::Scores) =
            (norm, layer.activation, purpose)
        {
            return Ok(Self::Direct { slope: P::Elem::of(slope) });
        }
        let width = layer.conv.c_out.next_multiple_of(lanes);
        let (mut gamma, mut beta) = (Aligned::zeroed(width), Aligned::zeroed(width));
        match (norm, &weights.affine) {
            (StagedNorm::Batch { .. } | StagedNorm::Group { .. }, Some((g, b))) => {
                gamma[..layer.conv.c_out].copy_from_slice(&numbers::<P::Elem>(g)?);
                beta[..layer.conv.c_out].copy_from_slice(&numbers::<P::Elem>(b)?);
            }
            _ => gamma[..layer.conv.c_out].fill(P::Elem::of(1.0)),
        }
        if purpose == Purpose::Directions {
            beta[..layer.conv.c_out].copy_from_slice(bias);
        }
        Ok(Self::Staged { norm, curve: Curve::of(layer.activation), gamma, beta })
    }
}
