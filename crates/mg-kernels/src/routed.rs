use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::compiled::Compiled;
use crate::element::Element;
use crate::engine::{Engine, Purpose};
use crate::expect::expect;
use crate::format::{Half, Whole};
use crate::simd::Level;
use crate::tensor_route::TensorNet;
use crate::{Error, Norm, Precision, Result, Route, ScoreShape, ScoreWeights};

/// A network on its route, laid out for one purpose.
#[derive(Clone, Debug)]
pub(crate) enum Routed {
    F32(Arc<Engine<Whole<f32>>>),
    F64(Arc<Engine<Whole<f64>>>),
    Bf16(Arc<Engine<Half>>),
    Tensor(Arc<TensorNet>),
}

/// Runs `$fused` with the engine as `$net`, or `$tensor` with the tensor route's network.
macro_rules! on {
    ($routed:expr, $net:ident => $fused:expr, $tensor:expr) => {
        match $routed {
            $crate::routed::Routed::F32($net) => $fused,
            $crate::routed::Routed::F64($net) => $fused,
            $crate::routed::Routed::Bf16($net) => $fused,
            $crate::routed::Routed::Tensor($net) => $tensor,
        }
    };
}
pub(crate) use on;

impl Routed {
    /// # Errors
    /// [`Error::Route`], [`Error::DType`], or what is wrong with shape and weights.
    pub(crate) fn new(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        (precision, route): (Precision, Route),
        (level, purpose): (Level, Purpose),
    ) -> Result<Self> {
        let (dtype, device) = weights.kind();
        if route == Route::Fused && !Route::fused_runs(dtype, &device) {
            return Err(Error::Route { dtype, device: format!("{:?}", device.location()) });
        }
        weights.check(shape)?;
        if precision == Precision::Bf16 && dtype != DType::F32 {
            let (expected, found) = (DType::F32, dtype);
            return Err(Error::DType { what: "weights to compute with in bf16".into(), expected, found });
        }
        // A head alone is one product: no work for the engine.
        let route = if shape.layers.is_empty() { Route::Tensor } else { route };
        Ok(match (route, precision, dtype) {
            (Route::Fused, Precision::Bf16, _) => Self::Bf16(engine(shape, weights, level, purpose)?),
            (Route::Fused, Precision::Full, DType::F64) => Self::F64(engine(shape, weights, level, purpose)?),
            (Route::Fused, Precision::Full, _) => Self::F32(engine(shape, weights, level, purpose)?),
            // Variables change in place; this network must not.
            (Route::Tensor, ..) => {
                Self::Tensor(Arc::new(TensorNet::new(shape, &weights.copied()?, precision)?))
            }
        })
    }

    pub(crate) fn route(&self) -> Route {
        on!(self, _net => Route::Fused, Route::Tensor)
    }
}

fn engine<P: Compiled>(
    shape: &ScoreShape,
    weights: &ScoreWeights,
    level: Level,
    purpose: Purpose,
) -> Result<Arc<Engine<P>>> {
    Ok(Arc::new(Engine::new(shape, weights, level, purpose)?))
}

/// Checks images for a network of this shape and type, and counts them.
///
/// # Errors
/// Another shape or element type of `x`.
pub(crate) fn count(x: &Tensor, shape: &ScoreShape, dtype: DType) -> Result<usize> {
    let ScoreShape { channels, side, .. } = *shape;
    expect("x", x, &[0, channels, side, side], dtype)?;
    if x.dim(0)? == 0 {
        let expected = vec![1, channels, side, side];
        return Err(Error::Shape { what: "x (an empty batch)".into(), expected, found: x.dims().to_vec() });
    }
    Ok(x.dim(0)?)
}

/// Refuses networks that normalise over the batch.
///
/// # Errors
/// [`Error::Coupled`].
pub(crate) fn check_independent(shape: &ScoreShape) -> Result<()> {
    let coupled = shape.layers.iter().position(|layer| matches!(layer.norm, Norm::Batch { .. }));
    coupled.map_or(Ok(()), |layer| Err(Error::Coupled { layer }))
}

pub(crate) fn vector<E: Element>(values: Vec<E>, like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::new(values, like.device())?)
}
