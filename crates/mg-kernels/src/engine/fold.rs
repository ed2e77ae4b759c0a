use candle_core::Tensor;

use crate::element::Element;
use crate::{LayerShape, LayerWeights, Norm, Result};

/// A norm with constant statistics, folded into its convolution: weights times `scale`, `scale = gamma * rstd`.
pub(crate) struct Folded {
    scale: Vec<f64>,
    rstd: Vec<f64>,
    mean: Vec<f64>,
    /// The weights and biases before folding.
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Folded {
    pub(crate) fn new(layer: &LayerShape, weights: &LayerWeights) -> Result<Option<Self>> {
        let (Norm::Fixed { eps }, Some((gamma, _)), Some((mean, variance))) =
            (layer.norm, &weights.affine, &weights.statistics)
        else {
            return Ok(None);
        };
        let rstd: Vec<f64> = doubles(variance)?.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
        let scale = doubles(gamma)?.iter().zip(&rstd).map(|(g, r)| g * r).collect();
        let (weight, bias) = (doubles(&weights.weight)?, doubles(&weights.bias)?);
        Ok(Some(Self { scale, rstd, mean: doubles(mean)?, weight, bias }))
    }

    pub(crate) fn fold<E: Element>(
        &self,
        weights: &LayerWeights,
        weight: &mut [E],
        bias: &mut [E],
    ) -> Result<()> {
        let beta = weights.affine.as_ref().map_or(Ok(vec![0.0; bias.len()]), |(_, beta)| doubles(beta))?;
        let depth = weight.len() / bias.len();
        for (o, scale) in self.scale.iter().enumerate() {
            let row = o * depth..(o + 1) * depth;
            let folded = weight[row.clone()].iter_mut().zip(&self.weight[row]);
            folded.for_each(|(to, w)| *to = E::of(w * scale));
            bias[o] = E::of((self.bias[o] - self.mean[o]) * scale + beta[o]);
        }
        Ok(())
    }

    /// From the gradients of the folded weight and bias to those before folding; returns gamma's and beta's.
    pub(crate) fn unfold<E: Element>(&self, weight: &mut [E], bias: &mut [f64]) -> (Vec<f64>, Vec<f64>) {
        let depth = weight.len() / bias.len();
        let mut gamma = vec![0.0; bias.len()];
        for (o, row) in weight.chunks_exact_mut(depth).enumerate() {
            let raw = &self.weight[o * depth..(o + 1) * depth];
            let along: f64 = row.iter().zip(raw).map(|(g, w)| g.to_f64() * w).sum();
            gamma[o] = self.rstd[o] * (along + (self.bias[o] - self.mean[o]) * bias[o]);
            row.iter_mut().for_each(|g| *g = E::of(g.to_f64() * self.scale[o]));
        }
        let beta = bias.to_vec();
        bias.iter_mut().zip(&self.scale).for_each(|(bias, scale)| *bias *= scale);
        (gamma, beta)
    }
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
}
