use super::Plan;
use super::channel_sums::ChannelSums;
use super::plan::LayerPlan;
use crate::aligned::Aligned;
use crate::compiled::Compiled;

/// One lane's sums of weight gradients, over its blocks in order.
pub(crate) struct Lane<P: Compiled> {
    pub(crate) layers: Vec<LaneLayer<P>>,
    /// In the head's layout.
    pub(crate) head: Aligned<P::Elem>,
    pub(crate) head_bias: f64,
}

pub(crate) struct LaneLayer<P: Compiled> {
    /// In the packed weights' layout.
    pub(crate) weight: Aligned<P::Elem>,
    pub(crate) bias: Vec<f64>,
    pub(crate) gamma: Vec<f64>,
    pub(crate) beta: Vec<f64>,
}

impl<P: Compiled> Lane<P> {
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

    /// The sum of all lanes, added in order.
    pub(crate) fn total(lanes: Vec<Self>, plan: &Plan<P>) -> Self {
        let mut lanes = lanes.into_iter();
        let mut total = lanes.next().unwrap_or_else(|| Self::zero(plan));
        lanes.for_each(|lane| total.add(&lane));
        total
    }
}
