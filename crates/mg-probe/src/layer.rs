//! One layer with its gradients, written out: convolution and bias, norm, activation.

use candle_core::Tensor;
use mg_kernels::{Activation, LayerShape, LayerWeights, conv2d, conv2d_input_adjoint, conv2d_weight_adjoint};

use crate::Result;
use crate::norm::{self, Normalised, channel_sum, per_channel};

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
    let (before, normalised) = norm::forward(shape.norm, weights, conv)?;
    let (value, slope) = activate(shape.activation, &before)?;
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
    let (dz, affine) = norm::backward(shape.norm, weights, trace.normalised.as_ref(), before)?;
    let weight = conv2d_weight_adjoint(&trace.input, &dz, &shape.conv)?;
    let grads = LayerWeights { weight, bias: channel_sum(&dz)?, affine, statistics: None };
    let side = trace.input.dim(3)?;
    let input = to_input.then(|| conv2d_input_adjoint(&dz, &weights.weight, &shape.conv, side));
    Ok((grads, input.transpose()?))
}

/// The activation's value and derivative; at 0 a leaky ReLU has its lower slope, as in mg-kernels.
fn activate(activation: Activation, y: &Tensor) -> Result<(Tensor, Tensor)> {
    match activation {
        Activation::LeakyRelu { slope } => {
            let slope = y.gt(0.0)?.to_dtype(y.dtype())?.affine(1.0 - slope, slope)?;
            Ok(((y * &slope)?, slope))
        }
        Activation::Silu => {
            let sigmoid = (y.neg()?.exp()? + 1.0)?.recip()?;
            let value = (y * &sigmoid)?;
            // s + y s (1 - s)
            let slope = (&sigmoid + (&value * sigmoid.affine(-1.0, 1.0)?)?)?;
            Ok((value, slope))
        }
    }
}
