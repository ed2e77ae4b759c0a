use std::ops::Range;

use candle_core::{DType, Tensor};

use crate::channels::{channel_mean, channel_sum, per_channel};
use crate::{LayerShape, LayerWeights, Normalised, Precision, Result, ScoreShape, ScoreWeights, tensor_conv};

/// The network by candle's tensor operations, with back propagation written out: runs on every device and in every
/// float type, and is the reference for the fused engine.
#[derive(Clone, Debug)]
pub(crate) struct TensorNet {
    shape: ScoreShape,
    sides: Vec<usize>,
    weights: ScoreWeights,
    /// Per layer, the kernel of the input adjoint.
    adjoints: Vec<Tensor>,
    /// What layers compute with; the head, and all that goes in and out, has the weights' own type.
    inner: DType,
}

/// What the backward pass needs of one layer.
struct Trace {
    input: Tensor,
    /// Convolution output, before the norm.
    conv: Tensor,
    /// None without a norm.
    normalised: Option<Normalised>,
    /// Before the activation.
    before: Tensor,
}

/// What a direction of the images was at one layer.
struct Tangent {
    input: Tensor,
    /// After a norm with constant statistics, before its gamma.
    normalised: Option<Tensor>,
    /// Before the activation.
    before: Tensor,
}

impl Trace {
    /// From the gradient before the activation to that of the convolution's output.
    fn through_norm(&self, dy: Tensor) -> Result<Tensor> {
        match &self.normalised {
            Some(norm) => norm.backward(&dy),
            None => Ok(dy),
        }
    }
}

impl TensorNet {
    pub(crate) fn new(shape: &ScoreShape, weights: &ScoreWeights, precision: Precision) -> Result<Self> {
        let inner = match precision {
            // candle has no products of bf16 on the CPU.
            Precision::Bf16 if !weights.head.device().is_cpu() => DType::BF16,
            _ => weights.head.dtype(),
        };
        let weights = &weights.layers_in(inner)?;
        let layers = shape.layers.iter().zip(&weights.layers);
        let adjoints = layers.map(|(layer, w)| tensor_conv::adjoint_kernel(&w.weight, &layer.conv));
        let adjoints = adjoints.collect::<Result<_>>()?;
        let (shape, sides, weights) = (shape.clone(), shape.sides()?, weights.clone());
        Ok(Self { shape, sides, weights, adjoints, inner })
    }

    pub(crate) fn score(&self, x: &Tensor) -> Result<Tensor> {
        self.head(&self.forward(x)?.1)
    }

    pub(crate) fn score_and_grad(&self, x: &Tensor, factor: f64) -> Result<(Tensor, Tensor)> {
        let (traces, last) = self.forward(x)?;
        let f = self.head(&last)?;
        let mut grad = (self.head_map()? * factor)?.broadcast_as(last.shape())?.contiguous()?;
        for layer in (0..traces.len()).rev() {
            let dy = self.through_activation(layer, &traces[layer], &grad)?;
            grad = self.through_conv(layer, &traces[layer].through_norm(dy)?)?;
        }
        Ok((f, grad.to_dtype(x.dtype())?))
    }

    pub(crate) fn score_and_weight_grads(
        &self,
        x: &Tensor,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, ScoreWeights)> {
        let (traces, last) = self.forward(x)?;
        let f = self.head(&last)?;
        let values = f.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let c: Vec<f64> = values.iter().enumerate().map(|(i, f)| coefficient(i, *f)).collect();
        let c = Tensor::new(c, f.device())?.to_dtype(f.dtype())?; // [n]
        let last = last.to_dtype(f.dtype())?;
        let head_grad = c.unsqueeze(0)?.matmul(&last.flatten_from(1)?)?.squeeze(0)?;
        let head_bias = c.sum_keepdim(0)?;
        let mut grad =
            self.head_map()?.broadcast_mul(&c.to_dtype(self.inner)?.reshape((c.dim(0)?, 1, 1, 1))?)?;
        let mut layers = Vec::with_capacity(traces.len());
        for layer in (0..traces.len()).rev() {
            let (trace, geometry) = (&traces[layer], &self.shape.layers[layer].conv);
            let dy = self.through_activation(layer, trace, &grad)?;
            let affine = trace.normalised.as_ref().map(|norm| norm.affine_grads(&dy)).transpose()?;
            let dz = trace.through_norm(dy)?;
            let weight = tensor_conv::weight_adjoint(&trace.input, &dz, geometry)?;
            layers.push(LayerWeights { weight, bias: channel_sum(&dz)?, affine, statistics: None });
            if layer > 0 {
                grad = self.through_conv(layer, &dz)?;
            }
        }
        layers.reverse();
        let grads = ScoreWeights { layers, head: head_grad, head_bias };
        Ok((f, grads.layers_in(x.dtype())?))
    }

    /// As [`crate::ScoreNet::score_and_weight_sums`], with one list for the whole part: the gradients themselves.
    pub(crate) fn score_and_weight_sums(
        &self,
        x: &Tensor,
        first: usize,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, Vec<Vec<Tensor>>)> {
        let (f, grads) = self.score_and_weight_grads(x, &|i, f| coefficient(first + i, f))?;
        Ok((f, vec![grads.into_tensors()]))
    }

    /// See [`crate::TangentNet::weight_grads`].
    pub(crate) fn directional_weight_grads(
        &self,
        x: &Tensor,
        direction: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
    ) -> Result<(Vec<f64>, ScoreWeights)> {
        let (traces, last) = self.forward(x)?;
        // Per layer, the score's gradient after and before the activation.
        let mut grad = self.head_map()?.broadcast_as(last.shape())?.contiguous()?;
        let mut grads = Vec::with_capacity(traces.len());
        for (layer, trace) in traces.iter().enumerate().rev() {
            let before = self.through_activation(layer, trace, &grad)?;
            let next = self.through_conv(layer, &trace.through_norm(before.clone())?)?;
            grads.push((std::mem::replace(&mut grad, next), before));
        }
        grads.reverse();
        let (found, direction) = steered(&grad.to_dtype(x.dtype())?, direction)?;
        let (tangents, last) = self.follow(&traces, direction.to_dtype(self.inner)?)?;
        let head = last.to_dtype(x.dtype())?.flatten_from(1)?.sum(0)?;
        let head_bias = self.weights.head_bias.zeros_like()?;
        // The way back of the derivative, which does not depend on the last activations themselves.
        let (mut grad, mut layers) = (last.zeros_like()?, Vec::with_capacity(traces.len()));
        for (layer, (trace, tangent)) in traces.iter().zip(&tangents).enumerate().rev() {
            let LayerShape { conv, activation, .. } = &self.shape.layers[layer];
            let (after, of_tangent) = &grads[layer];
            let bent = ((activation.second_derivative(&trace.before)? * &tangent.before)? * after)?;
            let dy = (self.through_activation(layer, trace, &grad)? + bent)?;
            let affine = match (&trace.normalised, &tangent.normalised) {
                (Some(norm), Some(values)) => {
                    let (gamma, beta) = norm.affine_grads(&dy)?;
                    Some(((gamma + channel_sum(&(of_tangent * values)?)?)?, beta))
                }
                _ => None,
            };
            let (dz, dz_tangent) = (trace.through_norm(dy)?, trace.through_norm(of_tangent.clone())?);
            let weight = tensor_conv::weight_adjoint(&trace.input, &dz, conv)?;
            let weight = (weight + tensor_conv::weight_adjoint(&tangent.input, &dz_tangent, conv)?)?;
            layers.push(LayerWeights { weight, bias: channel_sum(&dz)?, affine, statistics: None });
            if layer > 0 {
                grad = self.through_conv(layer, &dz)?;
            }
        }
        layers.reverse();
        Ok((found, ScoreWeights { layers, head, head_bias }.layers_in(x.dtype())?))
    }

    /// Takes a direction of every image through the network; what it was at each layer, and after the last.
    fn follow(&self, traces: &[Trace], direction: Tensor) -> Result<(Vec<Tangent>, Tensor)> {
        let (mut input, mut tangents) = (direction, Vec::with_capacity(traces.len()));
        for ((trace, weights), shape) in traces.iter().zip(&self.weights.layers).zip(&self.shape.layers) {
            let dz = tensor_conv::conv2d(&input, &weights.weight, &shape.conv)?;
            let normalised = trace.normalised.as_ref().map(|norm| norm.tangent(&dz)).transpose()?;
            let (normalised, before) = normalised.map_or((None, dz), |(values, y)| (Some(values), y));
            let next = (shape.activation.derivative(&trace.before)? * &before)?;
            tangents.push(Tangent { input: std::mem::replace(&mut input, next), normalised, before });
        }
        Ok((tangents, input))
    }

    /// As [`crate::TangentNet::weight_sums`], with one list for the whole part.
    pub(crate) fn directional_weight_sums(
        &self,
        x: &Tensor,
        first: usize,
        direction: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
    ) -> Result<(Vec<f64>, Vec<Vec<Tensor>>)> {
        let (found, grads) = self.directional_weight_grads(x, &|i, g| direction(first + i, g))?;
        Ok((found, vec![grads.into_tensors()]))
    }

    /// Gradients from the sum of such lists.
    pub(crate) fn finish_weight_sums(&self, total: Vec<Tensor>) -> Result<ScoreWeights> {
        ScoreWeights::of_tensors(&self.shape, total, self.weights.head.dtype())
    }

    /// Activations after each of these layers.
    pub(crate) fn features(&self, x: &Tensor, layers: Range<usize>) -> Result<Vec<Tensor>> {
        let (traces, last) = self.forward_to(x, layers.end)?;
        // The input of a layer is the activation of the layer before.
        let all = traces.into_iter().map(|trace| trace.input).skip(layers.start + 1).chain([last]);
        all.take(layers.len()).map(|map| Ok(map.to_dtype(x.dtype())?)).collect()
    }

    /// Mean and biased variance of every convolution's output.
    pub(crate) fn statistics(&self, x: &Tensor) -> Result<Vec<(Tensor, Tensor)>> {
        let (traces, _) = self.forward(x)?;
        let moments = |trace: &Trace| {
            let conv = trace.conv.to_dtype(x.dtype())?;
            let mean = channel_mean(&conv)?;
            let variance = channel_mean(&conv.broadcast_sub(&per_channel(&mean)?)?.sqr()?)?;
            Ok((mean, variance))
        };
        traces.iter().map(moments).collect()
    }

    fn forward(&self, x: &Tensor) -> Result<(Vec<Trace>, Tensor)> {
        self.forward_to(x, self.shape.layers.len())
    }

    fn forward_to(&self, x: &Tensor, count: usize) -> Result<(Vec<Trace>, Tensor)> {
        let (mut traces, mut map) = (Vec::with_capacity(count), x.detach().to_dtype(self.inner)?);
        for (shape, weights) in self.shape.layers.iter().zip(&self.weights.layers).take(count) {
            let conv = tensor_conv::conv2d(&map, &weights.weight, &shape.conv)?;
            let conv = conv.broadcast_add(&per_channel(&weights.bias)?)?;
            let (before, normalised) = Normalised::forward(shape.norm, weights, &conv)?;
            let next = shape.activation.apply(&before)?;
            traces.push(Trace { input: map, conv, normalised, before });
            map = next;
        }
        Ok((traces, map))
    }

    fn head(&self, last: &Tensor) -> Result<Tensor> {
        let last = last.to_dtype(self.weights.head.dtype())?;
        let f = last.flatten_from(1)?.matmul(&self.weights.head.unsqueeze(1)?)?.squeeze(1)?;
        Ok(f.broadcast_add(&self.weights.head_bias)?)
    }

    fn head_map(&self) -> Result<Tensor> {
        let side = self.sides[self.sides.len() - 1];
        Ok(self.weights.head.to_dtype(self.inner)?.reshape((1, self.shape.last_channels(), side, side))?)
    }

    /// From the gradient of a layer's output to that of its normalisation's.
    fn through_activation(&self, layer: usize, trace: &Trace, grad: &Tensor) -> Result<Tensor> {
        Ok((grad * self.shape.layers[layer].activation.derivative(&trace.before)?)?)
    }

    fn through_conv(&self, layer: usize, dz: &Tensor) -> Result<Tensor> {
        tensor_conv::input_adjoint(
            dz,
            &self.adjoints[layer],
            &self.shape.layers[layer].conv,
            self.sides[layer],
        )
    }
}

/// What `direction` finds for each gradient `[n, c, h, w]`, and the directions that it leaves.
fn steered(
    gradient: &Tensor,
    direction: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
) -> Result<(Vec<f64>, Tensor)> {
    let mut images = gradient.flatten_from(1)?.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let found = images.iter_mut().enumerate().map(|(i, image)| direction(i, image)).collect();
    let directions = Tensor::new(images, gradient.device())?.to_dtype(gradient.dtype())?;
    Ok((found, directions.reshape(gradient.shape())?))
}
