use candle_core::Tensor;
use candle_core::WithDType;

use super::norm::ChannelSums;
use super::plan::LayerPlan;
use super::{Plan, Stage, StagedNorm};
use crate::aligned::{Aligned, Number};
use crate::format::Format;
use crate::simd::Element;
use crate::{LayerWeights, Result, ScoreWeights};

/// Weight gradients are summed in this many lanes, each over its blocks in order, then lane by lane: the same bits on
/// any number of threads.
pub(crate) const LANES: usize = 8;

/// One lane's sums.
pub(crate) struct Lane<P: Format> {
    pub(crate) layers: Vec<LaneLayer<P>>,
    /// In the head's layout.
    pub(crate) head: Aligned<P::Elem>,
    pub(crate) head_bias: f64,
}

pub(crate) struct LaneLayer<P: Format> {
    /// In the packed weights' layout.
    pub(crate) weight: Aligned<P::Elem>,
    pub(crate) bias: Vec<f64>,
    pub(crate) gamma: Vec<f64>,
    pub(crate) beta: Vec<f64>,
}

impl<P: Format> Lane<P> {
    pub(crate) fn zero(plan: &Plan<P>) -> Self {
        let zeros = |layer: &LayerPlan<P>| vec![0.0; layer.conv.c_out];
        let layers = plan.layers.iter().map(|layer| LaneLayer {
            weight: Aligned::zeroed(layer.weight_gradient.len()),
            bias: zeros(layer),
            gamma: zeros(layer),
            beta: zeros(layer),
        });
        Self { layers: layers.collect(), head: Aligned::zeroed(plan.head.len()), head_bias: 0.0 }
    }

    /// Adds gradients of gamma and beta, from sums over the gradient before gamma.
    pub(crate) fn add_affine(&mut self, l: usize, sums: &ChannelSums, rstd: &[f64]) {
        let layer = &mut self.layers[l];
        layer.beta.iter_mut().zip(&sums.sum).for_each(|(to, sum)| *to += sum);
        let products = sums.product.iter().zip(rstd);
        layer.gamma.iter_mut().zip(products).for_each(|(to, (product, rstd))| *to += product * rstd);
    }

    fn add(&mut self, other: &Self) {
        let sum = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, v)| *to += v);
        let sum_elements =
            |to: &mut [P::Elem], from: &[P::Elem]| to.iter_mut().zip(from).for_each(|(to, v)| *to += *v);
        for (to, from) in self.layers.iter_mut().zip(&other.layers) {
            sum_elements(&mut to.weight, &from.weight);
            sum(&mut to.bias, &from.bias);
            sum(&mut to.gamma, &from.gamma);
            sum(&mut to.beta, &from.beta);
        }
        sum_elements(&mut self.head, &other.head);
        self.head_bias += other.head_bias;
    }

    /// The sum of all lanes, as tensors in the shapes of the weights.
    pub(crate) fn total(lanes: Vec<Self>, plan: &Plan<P>) -> Result<ScoreWeights> {
        let mut lanes = lanes.into_iter();
        let mut total = lanes.next().unwrap_or_else(|| Self::zero(plan));
        lanes.for_each(|lane| total.add(&lane));
        let last = plan.maps[plan.layers.len()];
        let mut head = vec![P::Elem::ZERO; last.channels * last.side * last.side];
        last.store::<P::Elem, P::Elem>(&total.head, &mut head);
        let tensors = plan.layers.iter().zip(&total.layers).map(|(layer, sums)| sums.tensors(layer, plan));
        Ok(ScoreWeights {
            layers: tensors.collect::<Result<_>>()?,
            head: Tensor::new(head, &plan.device)?,
            head_bias: Tensor::new(&[P::Elem::of(total.head_bias)], &plan.device)?,
        })
    }
}

impl<P: Format> LaneLayer<P> {
    fn tensors(&self, layer: &LayerPlan<P>, plan: &Plan<P>) -> Result<LayerWeights> {
        let mut weight = layer.weight_gradient.unpack(&self.weight);
        let (mut bias, mut affine) = (self.bias.clone(), None);
        if let Some(folded) = &layer.folded {
            let depth = weight.len() / bias.len();
            let mut gamma = vec![0.0; bias.len()];
            for (o, row) in weight.chunks_exact_mut(depth).enumerate() {
                let raw = &folded.weight[o * depth..(o + 1) * depth];
                let along: f64 = row.iter().zip(raw).map(|(g, w)| g.to_f64() * w).sum();
                gamma[o] = folded.rstd[o] * (along + (folded.bias[o] - folded.mean[o]) * bias[o]);
                row.iter_mut().for_each(|g| *g = P::Elem::of(g.to_f64() * folded.scale[o]));
            }
            affine = Some((gamma, bias.clone()));
            bias.iter_mut().zip(&folded.scale).for_each(|(bias, scale)| *bias *= scale);
        }
        if let Stage::Staged { norm: StagedNorm::Batch { .. } | StagedNorm::Group { .. }, .. } = layer.stage {
            affine = Some((self.gamma.clone(), self.beta.clone()));
        }
        let vector = |v: Vec<f64>| {
            Tensor::new(v.into_iter().map(<P::Elem as Element>::of).collect::<Vec<P::Elem>>(), &plan.device)
        };
        let affine =
            affine.map(|(gamma, beta)| Ok::<_, crate::Error>((vector(gamma)?, vector(beta)?))).transpose()?;
        let weight = Tensor::from_vec(weight, &layer.conv.weight_dims()[..], &plan.device)?;
        Ok(LayerWeights { weight, bias: vector(bias)?, affine, statistics: None })
    }
}
