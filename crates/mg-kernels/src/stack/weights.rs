use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::layer::{Back, LayerPlan};
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::element::Element;
use crate::engine::{Moments, Observed};
use crate::{MapShape, Norm, Parameter};

/// The numbers of a network. Those of convolutions are packed at once, and on the way back when they are needed, and then kept;
/// or else packed anew for each use of a layer.
pub(crate) struct Weights<P: Compiled> {
    pub(super) layers: Vec<LayerWeights<P>>,
}

pub(super) struct LayerWeights<P: Compiled> {
    /// Where the weight lies among the parameters, and the vectors after it.
    weight: Range<usize>,
    /// Nothing where packed numbers are not kept.
    forward: Option<Arc<Convolution<P>>>,
    /// Kept where `forward` is.
    back: OnceLock<Arc<Back<P>>>,
    /// Ones without a norm.
    pub(super) gamma: Vec<P::Elem>,
    /// The bias without a norm; padded to whole vectors.
    pub(super) beta: Aligned<P::Elem>,
    /// What outputs are normalised by unless it is the batch's own moments: nothing, or given statistics.
    pub(super) fixed: Option<Moments<P::Elem>>,
}

impl<P: Compiled> Weights<P> {
    pub(super) fn new(
        shape: &MapShape,
        layers: &[LayerPlan<P>],
        values: &[P::Elem],
        statistics: Option<&[Option<Observed>]>,
        keeps: bool,
    ) -> Self {
        let mut parameters: Vec<Vec<Range<usize>>> = vec![vec![]; layers.len()];
        for Parameter { layer, range, .. } in shape.parameters() {
            parameters[layer].push(range);
        }
        let layer = |(l, layer): (usize, &LayerPlan<P>)| {
            let mut ranges = parameters[l].iter().cloned();
            let mut next = || ranges.next().unwrap_or_default();
            let (weight, raw) = (next(), &layer.raw);
            let norm = layer.shape.norm;
            let gamma = match norm {
                Norm::None => vec![P::Elem::of(1.0); raw.channels],
                _ => values[next()].to_vec(),
            };
            let mut beta = Aligned::zeroed(raw.pitch);
            if layer.shape.bias || norm != Norm::None {
                beta[..raw.channels].copy_from_slice(&values[next()]);
            }
            let given = statistics.and_then(|all| all[l].as_ref());
            let fixed = match (norm, given) {
                (Norm::Batch { eps }, Some(observed)) => Some(Moments::of(*raw, observed, eps, &gamma)),
                (Norm::Batch { .. }, None) => None,
                _ => {
                    let mut moments = Moments::zero(*raw);
                    (0..raw.channels).for_each(|c| moments.set(c, 0.0, 1.0, gamma[c]));
                    Some(moments)
                }
            };
            let forward = keeps.then(|| Arc::new(layer.forward(&values[weight.clone()])));
            LayerWeights { weight, forward, back: OnceLock::new(), gamma, beta, fixed }
        };
        let layers = layers.par_iter().enumerate().map(layer).collect();
        Self { layers }
    }

    /// Where the parameters of layer `l` begin.
    pub(super) fn start(&self, l: usize) -> usize {
        self.layers[l].weight.start
    }

    /// The convolution of layer `l`; `values` are all parameters.
    pub(super) fn forward(&self, l: usize, plan: &LayerPlan<P>, values: &[P::Elem]) -> Arc<Convolution<P>> {
        let layer = &self.layers[l];
        let pack = || Arc::new(plan.forward(&values[layer.weight.clone()]));
        layer.forward.clone().unwrap_or_else(pack)
    }

    /// The way back through layer `l`; `values` are all parameters. Not from within a task of a parallel loop that may run another
    /// such task while it waits.
    pub(super) fn back(&self, l: usize, plans: &[LayerPlan<P>], values: &[P::Elem]) -> Arc<Back<P>> {
        let layer = &self.layers[l];
        let target = l.checked_sub(1).map(|below| &plans[below].raw);
        let pack = || Arc::new(plans[l].back(&values[layer.weight.clone()], target));
        if layer.forward.is_some() { layer.back.get_or_init(pack).clone() } else { pack() }
    }
}
