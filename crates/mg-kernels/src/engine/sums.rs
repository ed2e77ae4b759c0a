use candle_core::{DType, Tensor, WithDType};

use super::gradients::{Lane, LaneLayer};
use super::plan::LayerPlan;
use super::{Plan, Stage, StagedNorm};
use crate::aligned::Number;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::sum_list::SumList;
use crate::{Error, LayerWeights, Result, ScoreWeights};

/// Weight sums as [`crate::ScoreNet::score_and_weight_sums`] lists them.
pub(crate) type FlatSums = Vec<Tensor>;

/// Weight gradients summed over images, in the shapes of the weights, with constant norms still folded into them.
pub(crate) struct WeightSums<P: Compiled> {
    layers: Vec<LayerSums<P>>,
    head: Vec<P::Elem>,
    head_bias: f64,
}

struct LayerSums<P: Compiled> {
    /// `[c_out, c_in, k, k]`.
    weight: Vec<P::Elem>,
    bias: Vec<f64>,
    /// Gamma's and beta's, of a norm that computes its statistics.
    affine: Option<(Vec<f64>, Vec<f64>)>,
}

impl<P: Compiled> WeightSums<P> {
    /// From the layout that lanes are summed in.
    pub(crate) fn of_lane(lane: Lane<P>, plan: &Plan<P>) -> Self {
        let last = plan.maps[plan.layers.len()];
        let mut head = vec![P::Elem::ZERO; last.channels * last.side * last.side];
        last.store::<P::Elem, P::Elem>(&lane.head, &mut head);
        let layers = plan.layers.iter().zip(lane.layers);
        let layers = layers.map(|(layer, sums)| LayerSums::of_lane(sums, layer)).collect();
        Self { layers, head, head_bias: lane.head_bias }
    }

    /// As a flat list: of each layer the weight, the bias and, for a norm that computes its statistics, gamma and beta;
    /// then the head and its bias. Biases, gammas and betas stay in f64.
    pub(crate) fn into_tensors(self, plan: &Plan<P>) -> Result<FlatSums> {
        let mut tensors = vec![];
        for (layer, sums) in plan.layers.iter().zip(self.layers) {
            tensors.push(Tensor::from_vec(sums.weight, &layer.conv.weight_dims()[..], &plan.device)?);
            tensors.push(Tensor::new(sums.bias, &plan.device)?);
            if let Some((gamma, beta)) = sums.affine {
                tensors.push(Tensor::new(gamma, &plan.device)?);
                tensors.push(Tensor::new(beta, &plan.device)?);
            }
        }
        tensors.push(Tensor::new(self.head, &plan.device)?);
        tensors.push(Tensor::new(&[self.head_bias], &plan.device)?);
        Ok(tensors)
    }

    /// From the list that [`into_tensors`](Self::into_tensors) makes.
    ///
    /// # Errors
    /// Tensors of another number, shape or type.
    pub(crate) fn of_tensors(tensors: FlatSums, plan: &Plan<P>) -> Result<Self> {
        let count: usize = plan.layers.iter().map(|layer| if sums_affine(layer) { 4 } else { 2 }).sum();
        let mut list = SumList::new(tensors, count + 2)?;
        let mut layers = Vec::with_capacity(plan.layers.len());
        for layer in &plan.layers {
            let weight = list.take(&layer.conv.weight_dims(), P::Elem::DTYPE)?.flatten_all()?.to_vec1()?;
            let mut per_channel = || Ok::<_, Error>(list.take(&[layer.conv.c_out], DType::F64)?.to_vec1()?);
            let bias = per_channel()?;
            let affine = if sums_affine(layer) { Some((per_channel()?, per_channel()?)) } else { None };
            layers.push(LayerSums { weight, bias, affine });
        }
        let last = plan.maps[plan.layers.len()];
        let head = list.take(&[last.channels * last.side * last.side], P::Elem::DTYPE)?.to_vec1()?;
        let head_bias = list.take(&[1], DType::F64)?.to_vec1::<f64>()?[0];
        Ok(Self { layers, head, head_bias })
    }

    /// The gradients that these sums are.
    pub(crate) fn finish(self, plan: &Plan<P>) -> Result<ScoreWeights> {
        let layers = plan.layers.iter().zip(self.layers).map(|(layer, sums)| sums.finish(layer, plan));
        Ok(ScoreWeights {
            layers: layers.collect::<Result<_>>()?,
            head: Tensor::new(self.head, &plan.device)?,
            head_bias: Tensor::new(&[P::Elem::of(self.head_bias)], &plan.device)?,
        })
    }
}

impl<P: Compiled> LayerSums<P> {
    fn of_lane(sums: LaneLayer<P>, layer: &LayerPlan<P>) -> Self {
        let affine = sums_affine(layer).then_some((sums.gamma, sums.beta));
        Self { weight: layer.weight_gradient.unpack(&sums.weight), bias: sums.bias, affine }
    }

    fn finish(self, layer: &LayerPlan<P>, plan: &Plan<P>) -> Result<LayerWeights> {
        let Self { mut weight, mut bias, mut affine } = self;
        if let Some(folded) = &layer.folded {
            affine = Some(folded.unfold(&mut weight, &mut bias));
        }
        let vector = |v: Vec<f64>| {
            Tensor::new(v.into_iter().map(<P::Elem as Element>::of).collect::<Vec<P::Elem>>(), &plan.device)
        };
        let affine =
            affine.map(|(gamma, beta)| Ok::<_, Error>((vector(gamma)?, vector(beta)?))).transpose()?;
        let weight = Tensor::from_vec(weight, &layer.conv.weight_dims()[..], &plan.device)?;
        Ok(LayerWeights { weight, bias: vector(bias)?, affine, statistics: None })
    }
}

/// Whether gamma's and beta's gradients are summed, and not found from the folded weight's.
fn sums_affine<P: Compiled>(layer: &LayerPlan<P>) -> bool {
    matches!(layer.stage, Stage::Staged { norm: StagedNorm::Batch { .. } | StagedNorm::Group { .. }, .. })
}
