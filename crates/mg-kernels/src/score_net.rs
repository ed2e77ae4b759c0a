use std::ops::Range;

use candle_core::{DType, Tensor};

use crate::cpu_conv::with_elements;
use crate::engine::Purpose;
use crate::routed::{Routed, check_independent, count, on, vector};
use crate::simd::Level;
use crate::{Error, Norm, Part, Precision, Result, Route, ScoreShape, ScoreWeights};

/// A network packed for evaluation: build it once per set of weights, use it many times, from any thread.
///
/// Scores depend on the weights at the time of [`new`](Self::new); results are never part of candle's graph. On the
/// CPU they have the same bits on any number of threads.
#[derive(Clone, Debug)]
pub struct ScoreNet {
    shape: ScoreShape,
    weights: ScoreWeights,
    dtype: DType,
    precision: Precision,
    level: Level,
    net: Routed,
}

impl ScoreNet {
    /// Packs `weights`; their device and element type become the network's.
    ///
    /// # Errors
    /// An architecture that contradicts itself, or weights that do not match it.
    pub fn new(shape: &ScoreShape, weights: &ScoreWeights) -> Result<Self> {
        Self::with_precision(shape, weights, Precision::Full)
    }

    /// As [`new`](Self::new), in the given precision.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::DType`] when [`Precision::Bf16`] is asked of weights that are not f32.
    pub fn with_precision(shape: &ScoreShape, weights: &ScoreWeights, precision: Precision) -> Result<Self> {
        let (dtype, device) = weights.kind();
        Self::with_route(shape, weights, precision, Route::best(dtype, &device))
    }

    /// As [`with_precision`](Self::with_precision), by the given route.
    ///
    /// # Errors
    /// As [`with_precision`](Self::with_precision); [`Error::Route`] when the fused engine cannot run there.
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
        (precision, route): (Precision, Route),
        level: Level,
    ) -> Result<Self> {
        let net = Routed::new(shape, weights, (precision, route), (level, Purpose::Scores))?;
        // Variables change in place; this network must not.
        let weights = weights.copied()?;
        Ok(Self { shape: shape.clone(), dtype: weights.head.dtype(), weights, precision, level, net })
    }

    /// The architecture.
    pub fn shape(&self) -> &ScoreShape {
        &self.shape
    }

    /// The route taken.
    pub fn route(&self) -> Route {
        self.net.route()
    }

    /// Scores `f [n]` of images `x [n, channels, side, side]`.
    ///
    /// # Errors
    /// Another shape or element type of `x`.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        let n = count(x, &self.shape, self.dtype)?;
        on!(&self.net, net => vector(with_elements(x, |x| net.score(x, n))?, x), net.score(x))
    }

    /// Scores `f [n]` and `df_i/dx_i [n, channels, side, side]`; with [`Norm::Batch`], where scores depend on the
    /// whole batch, the gradient of the sum of all scores. No weight gradient is computed.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_and_grad(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.score_and_scaled_grad(x, 1.0)
    }

    /// As [`score_and_grad`](Self::score_and_grad), with `factor` times the gradient, which costs nothing: -1 makes the
    /// gradient of an energy.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_and_scaled_grad(&self, x: &Tensor, factor: f64) -> Result<(Tensor, Tensor)> {
        let n = count(x, &self.shape, self.dtype)?;
        on!(&self.net, net => {
            let (f, grad) = with_elements(x, |x| net.score_and_grad(x, n, factor))?;
            Ok((vector(f, x)?, Tensor::from_vec(grad, x.dims(), x.device())?))
        }, net.score_and_grad(x, factor))
    }

    /// Scores `f [n]` and the gradient of `sum_i c_i f(x_i)` with respect to all weights, where
    /// `c_i = coefficient(i, f_i)` counts as a constant. With [`Norm::Batch`] it flows through the statistics.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_and_weight_grads(
        &self,
        x: &Tensor,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, ScoreWeights)> {
        let n = count(x, &self.shape, self.dtype)?;
        on!(&self.net, net => {
            let (f, grads) = with_elements(x, |x| net.score_and_weight_grads(x, n, coefficient))??;
            Ok((vector(f, x)?, grads))
        }, net.score_and_weight_grads(x, coefficient))
    }

    /// What a part of a batch contributes to [`score_and_weight_grads`](Self::score_and_weight_grads) of the whole batch,
    /// so that several processes can share one: the scores `[n]` of the part's images `x`, and a list of sums for each
    /// lane in the part, in order ([`Part`] says which images make a lane). All lists of all parts, added in order and
    /// tensor by tensor, make the whole batch's gradients by [`finish_weight_sums`](Self::finish_weight_sums), to the
    /// bit. `coefficient(i, f_i)` is asked with the image's number `i` in the whole batch.
    ///
    /// A list holds, of each layer, the sums of the gradients of the weight `[c_out, c_in, k, k]`, of the bias `[c_out]`
    /// and, with [`Norm::Group`], of gamma and beta `[c_out]`; then those of the head `[c * h * w]` and of its bias `[1]`.
    /// Biases, gammas and betas are in f64, the others have the weights' type.
    ///
    /// On [`Route::Tensor`] a part is one lane, its list holds gamma and beta of every norm, all tensors have the weights'
    /// type, and bits may differ.
    ///
    /// # Errors
    /// As [`score`](Self::score); [`Error::Part`] unless the part begins and ends where lanes do; [`Error::Coupled`] with
    /// [`Norm::Batch`], where images do not add up.
    pub fn score_and_weight_sums(
        &self,
        x: &Tensor,
        part: Part,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, Vec<Vec<Tensor>>)> {
        let n = count(x, &self.shape, self.dtype)?;
        check_independent(&self.shape)?;
        let lanes = part.lanes(n)?;
        on!(&self.net, net => {
            let (f, sums) =
                with_elements(x, |x| net.score_and_weight_sums(x, part.of, lanes, coefficient))??;
            Ok((vector(f, x)?, sums))
        }, net.score_and_weight_sums(x, part.first, coefficient))
    }

    /// The gradients that [`score_and_weight_grads`](Self::score_and_weight_grads) returns, from the sum of all lanes of
    /// a batch: the lists of [`score_and_weight_sums`](Self::score_and_weight_sums), added in order.
    ///
    /// # Errors
    /// [`Error::WeightSums`], [`Error::Shape`] or [`Error::DType`] for another list; [`Error::Coupled`] with
    /// [`Norm::Batch`].
    pub fn finish_weight_sums(&self, total: Vec<Tensor>) -> Result<ScoreWeights> {
        check_independent(&self.shape)?;
        on!(&self.net, net => net.finish_weight_sums(total), net.finish_weight_sums(total))
    }

    /// Maps `[n, c, h, w]` after the activation of `layer` (0 is the first).
    ///
    /// # Errors
    /// As [`score`](Self::score); [`Error::NoSuchLayer`].
    pub fn features(&self, x: &Tensor, layer: usize) -> Result<Tensor> {
        let count = self.shape.layers.len();
        let features = if layer < count { self.features_of(x, layer..layer + 1)? } else { vec![] };
        features.into_iter().next().ok_or(Error::NoSuchLayer { layer, count })
    }

    /// Maps `[n, c, h, w]` after the activation of every layer, bottom-up, in one pass.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn all_features(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.features_of(x, 0..self.shape.layers.len())
    }

    fn features_of(&self, x: &Tensor, layers: Range<usize>) -> Result<Vec<Tensor>> {
        let n = count(x, &self.shape, self.dtype)?;
        let sides = self.shape.sides()?;
        let dims =
            |layer: usize| (n, self.shape.layers[layer].conv.c_out, sides[layer + 1], sides[layer + 1]);
        on!(&self.net, net => {
            let features = with_elements(x, |x| net.features(x, n, layers.clone()))?;
            let tensor = |(layer, map)| Ok(Tensor::from_vec(map, dims(layer), x.device())?);
            layers.zip(features).map(tensor).collect()
        }, net.features(x, layers))
    }

    /// Per layer, mean and biased variance `([c], [c])` of the convolution's output (with bias, before the norm) over
    /// the batch and the map. Layers with [`Norm::Fixed`] are normalised by this batch as [`Norm::Batch`] would, so
    /// the result is what such layers need as their statistics.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn statistics(&self, x: &Tensor) -> Result<Vec<(Tensor, Tensor)>> {
        let n = count(x, &self.shape, self.dtype)?;
        let mut shape = self.shape.clone();
        for layer in &mut shape.layers {
            if let Norm::Fixed { eps } = layer.norm {
                layer.norm = Norm::Batch { eps };
            }
        }
        let (how, purpose) = ((self.precision, self.net.route()), (self.level, Purpose::Statistics));
        on!(&Routed::new(&shape, &self.weights, how, purpose)?, net => {
            let observed = with_elements(x, |x| net.statistics(x, n))?;
            let tensor =
                |values| Ok::<_, Error>(Tensor::new::<Vec<f64>>(values, x.device())?.to_dtype(self.dtype)?);
            observed.into_iter().map(|(mean, variance)| Ok((tensor(mean)?, tensor(variance)?))).collect()
        }, net.statistics(x))
    }
}
