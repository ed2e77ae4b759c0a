//! One layer with its gradients: convolution and bias, norm, activation.

use candle_core::Tensor;
use mg_kernels::{
    LayerShape, LayerWeights, Normalised, channel_sum, conv2d, conv2d_input_adjoint, conv2d_weight_adjoint,
    per_channel,
};

use crate::Result;

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub(crate) struct Trace {
    input: Tensor,
    normalised: Option<Normalised>,
    /// The activation's derivative at every value.
    slope: Tensor,
}

/// `x` [n, c_in, s, s] through the layer: [n, c_out, out, out].
pub(crate) fn forward(shape: &LayerShape, weights: &LayerWeights, x: &Tensor) -> Result<(Tensor, Trace)> {
    let conv = conv2d(x, &weights.weight, &shape.conv)?.broadcast_add(&per_channel(&weights.bias)?)?;
    let (before, normalised) = Normalised::forward(shape.norm, weights, &conv)?;
    let (value, slope) = shape.activation.apply_and_derive(&before)?;
    Ok((value, Trace { input: x.clone(), normalised, slope }))
}

/// From the gradient of the layer's output to those of its weights and, when `to_input`, of its input.
pub(crate) fn backward(
    shape: &LayerShape,
    weights: &LayerWeights,
    trace: &Trace,
    dy: &Tensor,
    to_input: bool,
) -> Result<(LayerWeights, Option<Tensor>)> {
    let before = (dy * &trace.slope)?;
    let (dz, affine) = match &trace.normalised {
        Some(norm) => (norm.backward(&before)?, Some(norm.affine_grads(&before)?)),
        None => (before, None),
    };
    let weight = conv2d_weight_adjoint(&trace.input, &dz, &shape.conv)?;
    let grads = LayerWeights { weight, bias: channel_sum(&dz)?, affine, statistics: None };
    let side = trace.input.dim(3)?;
    let input = to_input.then(|| conv2d_input_adjoint(&dz, &weights.weight, &shape.conv, side));
    Ok((grads, input.transpose()?))
}
