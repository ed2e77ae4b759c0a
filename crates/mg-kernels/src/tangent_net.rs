use candle_core::{DType, Tensor};

use crate::cpu_conv::with_elements;
use crate::engine::Purpose;
use crate::routed::{Routed, count, on};
use crate::simd::Level;
use crate::{Error, Norm, Part, Precision, Result, Route, ScoreShape, ScoreWeights};

/// A network packed for learning what its gradients are: derivatives of scores along directions of the images,
/// `<df/dx_i, v_i>`, and the gradients of these by the weights. Matching scores (Hyvarinen 2005, Vincent 2011) and
/// matching velocities are losses of `df/dx`, and learn by such products.
///
/// A tangent follows the images through the network and comes back with them (forward over reverse): four convolutions
/// and two weight gradients a layer, where [`ScoreNet::score_and_weight_grads`](crate::ScoreNet::score_and_weight_grads)
/// takes two and one. Results are never part of candle's graph; on the CPU they have the same bits on any number of
/// threads.
///
/// Norms over what they normalise have no such pass here: [`Norm::None`] and [`Norm::Fixed`] serve. The second derivative
/// of a leaky ReLU counts as 0, which leaves its kinks out of the gradient: smooth activations are better matched.
#[derive(Clone, Debug)]
pub struct TangentNet {
    shape: ScoreShape,
    dtype: DType,
    net: Routed,
}

impl TangentNet {
    /// Packs `weights`; their device and element type become the network's.
    ///
    /// # Errors
    /// An architecture that contradicts itself, or weights that do not match it; [`Error::Normalises`] with
    /// [`Norm::Batch`] or [`Norm::Group`]; [`Error::DType`] when [`Precision::Bf16`] is asked of weights that are not f32.
    pub fn new(shape: &ScoreShape, weights: &ScoreWeights, precision: Precision) -> Result<Self> {
        let (dtype, device) = weights.kind();
        Self::with_route(shape, weights, precision, Route::best(dtype, &device))
    }

    /// As [`new`](Self::new), by the given route.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Route`] when the fused engine cannot run there.
    pub fn with_route(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        precision: Precision,
        route: Route,
    ) -> Result<Self> {
        Self::at_level(shape, weights, (precision, route), Level::best())
    }

    pub(crate) fn at_level(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        how: (Precision, Route),
        level: Level,
    ) -> Result<Self> {
        let normalises = |norm: Norm| matches!(norm, Norm::Batch { .. } | Norm::Group { .. });
        if let Some(layer) = shape.layers.iter().position(|layer| normalises(layer.norm)) {
            return Err(Error::Normalises { layer });
        }
        let net = Routed::new(shape, weights, how, (level, Purpose::Directions))?;
        Ok(Self { shape: shape.clone(), dtype: weights.head.dtype(), net })
    }

    /// The architecture.
    pub fn shape(&self) -> &ScoreShape {
        &self.shape
    }

    /// Of images `x [n, channels, side, side]`: the numbers that `direction` returns, and the gradient of
    /// `sum_i <df_i/dx_i, v_i>` with respect to all weights, where the directions count as constants.
    ///
    /// `direction(i, g)` gets `g = df_i/dx_i` of image `i`, `[channels * side * side]` in the order of `x`, and leaves the
    /// direction `v_i` in its place. With `v_i = 2 (g - t_i)` for targets `t_i`, and the squared distance from `g` to `t_i`
    /// returned, the results are squared errors and the gradient of their sum.
    ///
    /// # Errors
    /// Another shape or element type of `x`.
    pub fn weight_grads(
        &self,
        x: &Tensor,
        direction: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
    ) -> Result<(Vec<f64>, ScoreWeights)> {
        let n = count(x, &self.shape, self.dtype)?;
        on!(&self.net, net => with_elements(x, |x| net.directional_weight_grads(x, n, direction))?,
            net.directional_weight_grads(x, direction))
    }

    /// What a part of a batch contributes to [`weight_grads`](Self::weight_grads) of the whole batch; lists of sums as in
    /// [`ScoreNet::score_and_weight_sums`](crate::ScoreNet::score_and_weight_sums), with the same promise on their bits.
    /// `direction` is asked with the image's number in the whole batch.
    ///
    /// # Errors
    /// As [`weight_grads`](Self::weight_grads); [`Error::Part`] unless the part begins and ends where lanes do.
    pub fn weight_sums(
        &self,
        x: &Tensor,
        part: Part,
        direction: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
    ) -> Result<(Vec<f64>, Vec<Vec<Tensor>>)> {
        let n = count(x, &self.shape, self.dtype)?;
        let lanes = part.lanes(n)?;
        on!(&self.net, net => with_elements(x, |x| net.directional_weight_sums(x, part.of, lanes, direction))?,
            net.directional_weight_sums(x, part.first, direction))
    }

    /// The gradients that [`weight_grads`](Self::weight_grads) returns, from the sum of all lanes of a batch.
    ///
    /// # Errors
    /// [`Error::WeightSums`], [`Error::Shape`] or [`Error::DType`] for another list.
    pub fn finish_weight_sums(&self, total: Vec<Tensor>) -> Result<ScoreWeights> {
        on!(&self.net, net => net.finish_weight_sums(total), net.finish_weight_sums(total))
    }
}
