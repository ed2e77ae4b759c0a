use candle_core::{DType, Device, Tensor};

use crate::tensor_route::TensorNet;
use crate::weights::expect;
use crate::{Error, Norm, Result, ScoreShape, ScoreWeights};

/// How a [`ScoreNet`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The crate's own engine: CPU, f32 and f64.
    Fused,
    /// candle's tensor operations: any device, any float type.
    Tensor,
}

impl Route {
    /// The fastest route for these weights.
    pub fn best(dtype: DType, device: &Device) -> Self {
        if Self::fused_runs(dtype, device) { Self::Fused } else { Self::Tensor }
    }

    fn fused_runs(dtype: DType, device: &Device) -> bool {
        device.is_cpu() && matches!(dtype, DType::F32 | DType::F64)
    }
}

/// A network packed for evaluation: build it once per set of weights, use it many times, from any thread.
///
/// Scores depend on the weights at the time of [`new`](Self::new); results are never part of candle's graph. On the
/// CPU they have the same bits on any number of threads.
#[derive(Clone, Debug)]
pub struct ScoreNet {
    shape: ScoreShape,
    weights: ScoreWeights,
    dtype: DType,
    route: Route,
    tensor: TensorNet,
}

impl ScoreNet {
    /// Packs `weights`; their device and element type become the network's.
    ///
    /// # Errors
    /// An architecture that contradicts itself, or weights that do not match it.
    pub fn new(shape: &ScoreShape, weights: &ScoreWeights) -> Result<Self> {
        let (dtype, device) = weights.kind();
        Self::with_route(shape, weights, Route::best(dtype, &device))
    }

    /// As [`new`](Self::new), by the given route.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Route`] when the fused engine cannot run there.
    pub fn with_route(shape: &ScoreShape, weights: &ScoreWeights, route: Route) -> Result<Self> {
        weights.check(shape)?;
        let (dtype, device) = weights.kind();
        if route == Route::Fused && !Route::fused_runs(dtype, &device) {
            return Err(Error::Route { dtype, device: format!("{:?}", device.location()) });
        }
        let tensor = TensorNet::new(shape, weights)?;
        Ok(Self { shape: shape.clone(), weights: weights.clone(), dtype, route, tensor })
    }

    /// The architecture.
    pub fn shape(&self) -> &ScoreShape {
        &self.shape
    }

    /// The route taken.
    pub fn route(&self) -> Route {
        self.route
    }

    /// Scores `f` [n] of images `x` [n, channels, side, side].
    ///
    /// # Errors
    /// Another shape or element type of `x`.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        self.tensor.score(x)
    }

    /// Scores `f` [n] and `df_i/dx_i` [n, channels, side, side]; with [`Norm::Batch`], where scores depend on the
    /// whole batch, the gradient of the sum of all scores. No weight gradient is computed.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_and_grad(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.check(x)?;
        self.tensor.score_and_grad(x)
    }

    /// Scores `f` [n] and the gradient of `sum_i c_i f(x_i)` with respect to all weights, where
    /// `c_i = coefficient(i, f_i)` counts as a constant. With [`Norm::Batch`] it flows through the statistics.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_and_weight_grads(
        &self,
        x: &Tensor,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, ScoreWeights)> {
        self.check(x)?;
        self.tensor.score_and_weight_grads(x, coefficient)
    }

    /// Maps [n, c, h, w] after the activation of `layer` (0 is the first).
    ///
    /// # Errors
    /// As [`score`](Self::score); [`Error::NoSuchLayer`].
    pub fn features(&self, x: &Tensor, layer: usize) -> Result<Tensor> {
        self.check(x)?;
        if layer >= self.shape.layers.len() {
            return Err(Error::NoSuchLayer { layer, count: self.shape.layers.len() });
        }
        self.tensor.features(x, layer)
    }

    /// Per layer, mean and biased variance `([c], [c])` of the convolution's output (with bias, before the norm) over
    /// the batch and the map. Layers with [`Norm::Fixed`] are normalised by this batch as [`Norm::Batch`] would, so
    /// the result is what such layers need as their statistics.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn statistics(&self, x: &Tensor) -> Result<Vec<(Tensor, Tensor)>> {
        self.check(x)?;
        let mut shape = self.shape.clone();
        for layer in &mut shape.layers {
            if let Norm::Fixed { eps } = layer.norm {
                layer.norm = Norm::Batch { eps };
            }
        }
        TensorNet::new(&shape, &self.weights)?.statistics(x)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
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
        Ok(())
    }
}
