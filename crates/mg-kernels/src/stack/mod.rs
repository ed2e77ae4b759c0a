//! A network from maps to maps on the CPU, forward and backward: layer by layer over the whole batch, whose images a batch
//! norm couples. Of each layer the convolution's output is kept; activations are made of it again where they are needed.

mod backward;
mod channelwise;
mod forward;
mod layer;
mod layout;
mod pool;
mod weight_sums;
mod weights;

use std::sync::Arc;

use crate::compiled::Compiled;
use crate::engine::Observed;
use crate::simd::Level;
use crate::{MapShape, Result};
pub(crate) use forward::Tape;
use layer::LayerPlan;
use pool::Pool;
pub(crate) use weights::Weights;

/// A network laid out for this processor, with memory of earlier calls.
pub(crate) struct Stack<P: Compiled> {
    pub(crate) shape: MapShape,
    layers: Vec<LayerPlan<P>>,
    pool: Pool<P>,
}

/// The same with weights.
pub(crate) struct Weighted<P: Compiled> {
    pub(crate) stack: Arc<Stack<P>>,
    weights: Weights<P>,
}

impl<P: Compiled> Stack<P> {
    pub(crate) fn new(shape: &MapShape, level: Level) -> Result<Self> {
        let sides = shape.sides()?;
        let kernels = P::kernels(level);
        let layers = shape.layers.iter().enumerate();
        let layers = layers
            .map(|(l, layer)| LayerPlan::new(kernels, l, *layer, (sides[l], sides[l + 1])))
            .collect::<Result<Vec<_>>>()?;
        let pool = Pool::new(layers.len());
        Ok(Self { shape: shape.clone(), layers, pool })
    }

    /// Numbers of an input.
    fn input_len(&self) -> usize {
        self.shape.channels * self.shape.side * self.shape.side
    }

    /// Numbers of an output.
    pub(crate) fn output_len(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.raw.channels * layer.raw.side * layer.raw.side)
    }
}

impl<P: Compiled> Weighted<P> {
    /// Takes the vector of all parameters. Layers with a batch norm are normalised by these means and variances, one of
    /// each per layer, where they are given, else by the batch's own. What is packed is kept, or goes as soon as it was used.
    pub(crate) fn new(
        stack: &Arc<Stack<P>>,
        values: &[P::Elem],
        statistics: Option<&[Option<Observed>]>,
        keeps: bool,
    ) -> Self {
        let weights = Weights::new(&stack.shape, &stack.layers, values, statistics, keeps);
        Self { stack: stack.clone(), weights }
    }
}
