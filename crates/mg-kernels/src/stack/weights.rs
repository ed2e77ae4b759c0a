use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::layer::{Back, LayerPlan};
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::element::Element;
use crate::engine::{Moments, Observed};
use crate::{MapShape, Norm, Parameter};

/// The numbers of a network, packed: those of the way back when they are needed.
pub(crate) struct Weights<P: Compiled> {
    pub(super) layers: Vec<LayerWeights<P>>,
}

pub(super) struct LayerWeights<P: Compiled> {
    /// Where the weight lies among the parameters, and the vectors after it.
    weight: Range<usize>,
    pub(super) forward: Convolution<P>,
    back: OnceLock<Back<P>>,
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
            let forward = layer.forward(&values[weight.clone()]);
            LayerWeights { weight, forward, back: OnceLock::new(), gamma, beta, fixed }
        };
        let layers = layers.par_iter().enumerate().map(layer).collect();
        Self { layers }
    }

    /// Where the parameters of layer `l` begin.
    pub(super) fn start(&self, l: usize) -> usize {
        self.layers[l].weight.start
    }

    /// Packs the way back through layer `l` if it was not; `values` are all parameters. Not from within a task of a parallel loop
    /// that may run another such task while it waits.
    pub(super) fn pack_back(&self, l: usize, plans: &[LayerPlan<P>], values: &[P::Elem]) {
        let layer = &self.layers[l];
        let target = l.checked_sub(1).map(|below| &plans[below].raw);
        layer.back.get_or_init(|| plans[l].back(&values[layer.weight.clone()], target));
    }

    /// The way back through layer `l`, if it was packed.
    pub(super) fn back(&self, l: usize) -> Option<&Back<P>> {
        self.layers[l].back.get()
    }
}
