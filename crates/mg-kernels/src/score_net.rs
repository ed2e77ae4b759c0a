use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::compiled::Compiled;
use crate::cpu_conv::with_elements;
use crate::element::Element;
use crate::engine::Engine;
use crate::expect::expect;
use crate::format::{Half, Whole};
use crate::simd::Level;
use crate::tensor_route::TensorNet;
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
    level: Level,
    net: Net,
}

/// The network on its route.
#[derive(Clone, Debug)]
enum Net {
    F32(Arc<Engine<Whole<f32>>>),
    F64(Arc<Engine<Whole<f64>>>),
    Bf16(Arc<Engine<Half>>),
    Tensor(Arc<TensorNet>),
}

/// Runs `$fused` with the engine as `$net`, or `$tensor` with the tensor route's network.
macro_rules! on {
    ($self:ident, $net:ident => $fused:expr, $tensor:expr) => {
        match &$self.net {
            Net::F32($net) => $fused,
            Net::F64($net) => $fused,
            Net::Bf16($net) => $fused,
            Net::Tensor($net) => $tensor,
        }
    };
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
        let (dtype, device) = weights.kind();
        if route == Route::Fused && !Route::fused_runs(dtype, &device) {
            return Err(Error::Route { dtype, device: format!("{:?}", device.location()) });
        }
        Self::at_level(shape, weights, (precision, route), Level::best())
    }

    pub(crate) fn at_level(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        (precision, route): (Precision, Route),
        level: Level,
    ) -> Result<Self> {
        weights.check(shape)?;
        if precision == Precision::Bf16 && weights.head.dtype() != DType::F32 {
            let (expected, found) = (DType::F32, weights.head.dtype());
            return Err(Error::DType { what: "weights to compute with in bf16".into(), expected, found });
        }
        // Variables change in place; this network must not.
        let weights = &weights.copied()?;
        let dtype = weights.head.dtype();
        // A head alone is one product: no work for the engine.
        let route = if shape.layers.is_empty() { Route::Tensor } else { route };
        let net = match (route, precision, dtype) {
            (Route::Fused, Precision::Bf16, _) => Net::Bf16(Arc::new(Engine::new(shape, weights, level)?)),
            (Route::Fused, Precision::Full, DType::F64) => {
                Net::F64(Arc::new(Engine::new(shape, weights, level)?))
            }
            (Route::Fused, Precision::Full, _) => Net::F32(Arc::new(Engine::new(shape, weights, level)?)),
            (Route::Tensor, ..) => Net::Tensor(Arc::new(TensorNet::new(shape, weights, precision)?)),
        };
        Ok(Self { shape: shape.clone(), weights: weights.clone(), dtype, level, net })
    }

    /// The architecture.
    pub fn shape(&self) -> &ScoreShape {
        &self.shape
    }

    /// The route taken.
    pub fn route(&self) -> Route {
        on!(self, _net => Route::Fused, Route::Tensor)
    }

    /// Scores `f [n]` of images `x [n, channels, side, side]`.
    ///
    /// # Errors
    /// Another shape or element type of `x`.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        let n = self.check(x)?;
        on!(self, net => vector(with_elements(x, |x| net.score(x, n))?, x), net.score(x))
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
        let n = self.check(x)?;
        on!(self, net => {
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
        let n = self.check(x)?;
        on!(self, net => {
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
        let n = self.check(x)?;
        self.check_independent()?;
        let lanes = part.lanes(n)?;
        on!(self, net => {
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
        self.check_independent()?;
        on!(self, net => net.finish_weight_sums(total), net.finish_weight_sums(total))
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
        let n = self.check(x)?;
        let sides = self.shape.sides()?;
        let dims =
            |layer: usize| (n, self.shape.layers[layer].conv.c_out, sides[layer + 1], sides[layer + 1]);
        on!(self, net => {
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
        let n = self.check(x)?;
        let mut shape = self.shape.clone();
        for layer in &mut shape.layers {
            if let Norm::Fixed { eps } = layer.norm {
                layer.norm = Norm::Batch { eps };
            }
        }
        match &self.net {
            Net::F32(_) => observe::<Whole<f32>>(&shape, &self.weights, self.level, x, n),
            Net::F64(_) => observe::<Whole<f64>>(&shape, &self.weights, self.level, x, n),
            Net::Bf16(_) => observe::<Half>(&shape, &self.weights, self.level, x, n),
            Net::Tensor(net) => TensorNet::new(&shape, &self.weights, net.precision)?.statistics(x),
        }
    }

    /// Refuses networks that normalise over the batch.
    fn check_independent(&self) -> Result<()> {
        let coupled = self.shape.layers.iter().position(|layer| matches!(layer.norm, Norm::Batch { .. }));
        coupled.map_or(Ok(()), |layer| Err(Error::Coupled { layer }))
    }

    /// Checks the images and counts them.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let ScoreShape { channels, side, .. } = self.shape;
        expect("x", x, &[0, channels, side, side], self.dtype)?;
        if x.dim(0)? == 0 {
            let expected = vec![1, channels, side, side];
            return Err(Error::Shape {
                what: "x (an empty batch)".into(),
                expected,
                found: x.dims().to_vec(),
            });
        }
        Ok(x.dim(0)?)
    }
}

fn vector<E: Element>(values: Vec<E>, like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::new(values, like.device())?)
}

fn observe<P: Compiled>(
    shape: &ScoreShape,
    weights: &ScoreWeights,
    level: Level,
    x: &Tensor,
    n: usize,
) -> Result<Vec<(Tensor, Tensor)>> {
    let engine = Engine::<P>::observing(shape, weights, level)?;
    let observed = with_elements(x, |x| engine.statistics(x, n))?;
    let tensor = |values: &[f64]| vector(values.iter().map(|v| <P::Elem as Element>::of(*v)).collect(), x);
    observed.iter().map(|(mean, variance)| Ok((tensor(mean)?, tensor(variance)?))).collect()
}
