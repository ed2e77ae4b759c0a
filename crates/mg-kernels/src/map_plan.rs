use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::compiled::Compiled;
use crate::cpu_conv::with_elements;
use crate::engine::Observed;
use crate::expect::expect;
use crate::format::{Half, Whole};
use crate::map_net::{MapNet, Packed};
use crate::simd::Level;
use crate::stack::{Stack, Weighted};
use crate::{MapShape, Precision, Result};

/// A network from maps to maps, laid out for this processor: made once, it takes any weights.
#[derive(Clone, Debug)]
pub struct MapPlan {
    shape: MapShape,
    precision: Precision,
    layout: Plan,
}

/// The layout in the format that the network computes in.
#[derive(Clone)]
enum Plan {
    F32(Arc<Stack<Whole<f32>>>),
    F64(Arc<Stack<Whole<f64>>>),
    Bf16(Arc<Stack<Half>>),
    /// By tensor operations.
    Tensor,
}

impl MapPlan {
    /// Lays out a network for weights of this type on this device.
    ///
    /// # Errors
    /// An architecture that contradicts itself; [`Error::DType`](crate::Error::DType) when [`Precision::Bf16`] is asked of
    /// weights that are not f32.
    pub fn new(shape: &MapShape, precision: Precision, dtype: DType, device: &Device) -> Result<Self> {
        Self::at_level(shape, precision, (dtype, device), Level::best())
    }

    pub(crate) fn at_level(
        shape: &MapShape,
        precision: Precision,
        (dtype, device): (DType, &Device),
        level: Level,
    ) -> Result<Self> {
        shape.sides()?;
        if precision == Precision::Bf16 && dtype != DType::F32 {
            let what = "weights to compute with in bf16".into();
            return Err(crate::Error::DType { what, expected: DType::F32, found: dtype });
        }
        let layout = match (device.is_cpu(), precision, dtype) {
            (true, Precision::Bf16, _) => Plan::Bf16(Arc::new(Stack::new(shape, level)?)),
            (true, Precision::Full, DType::F32) => Plan::F32(Arc::new(Stack::new(shape, level)?)),
            (true, Precision::Full, DType::F64) => Plan::F64(Arc::new(Stack::new(shape, level)?)),
            _ => Plan::Tensor,
        };
        Ok(Self { shape: shape.clone(), precision, layout })
    }

    /// The architecture.
    pub fn shape(&self) -> &MapShape {
        &self.shape
    }

    /// The network with the vector of all its parameters, `[p]`, in the order of [`MapShape::parameters`]. Batch norms
    /// normalise by the batch at hand. Parameters are read again when a gradient is first asked for: as everywhere in candle's
    /// graph, they must not change in place before that.
    ///
    /// # Errors
    /// A vector of another length.
    pub fn with_weights(&self, weights: &Tensor) -> Result<MapNet> {
        self.weighted(weights, None, true)
    }

    /// The same with batch norms that normalise by these means and variances: of each layer, `None` where it has no norm.
    /// Then images do not depend on each other.
    ///
    /// # Errors
    /// As [`with_weights`](Self::with_weights), and statistics of other channels.
    pub fn with_statistics(&self, weights: &Tensor, statistics: &[Option<Observed>]) -> Result<MapNet> {
        let layers = self.shape.layers.len();
        let fits = |(layer, observed): (&crate::MapLayer, &Option<Observed>)| {
            let channels = layer.channels().1;
            match (layer.norm, observed) {
                (crate::Norm::None, _) => true,
                (_, Some((mean, variance))) => mean.len() == channels && variance.len() == channels,
                (_, None) => false,
            }
        };
        let misfit = self.shape.layers.iter().zip(statistics).position(|pair| !fits(pair));
        if let Some(layer) = misfit.or((statistics.len() != layers).then_some(statistics.len().min(layers))) {
            let reason =
                "statistics of other channels, or none: give what `forward_observed` returned".to_owned();
            return Err(crate::Error::Layer { layer, reason });
        }
        self.weighted(weights, Some(statistics), true)
    }

    /// As [`with_weights`](Self::with_weights), for one way there and back: packed weights, which can be several times as large as
    /// weights, go as soon as a layer has used them. Bits are the same; a second use packs again. Parameters are read when they
    /// are used.
    ///
    /// # Errors
    /// As [`with_weights`](Self::with_weights).
    pub fn for_one_use(&self, weights: &Tensor) -> Result<MapNet> {
        self.weighted(weights, None, false)
    }

    fn weighted(
        &self,
        weights: &Tensor,
        statistics: Option<&[Option<Observed>]>,
        keeps: bool,
    ) -> Result<MapNet> {
        expect("the vector of parameters", weights, &[self.shape.parameter_count()], weights.dtype())?;
        let packed = match &self.layout {
            Plan::F32(stack) => Packed::F32(pack(stack, (weights, keeps), statistics)?),
            Plan::F64(stack) => Packed::F64(pack(stack, (weights, keeps), statistics)?),
            Plan::Bf16(stack) => Packed::Bf16(pack(stack, (weights, keeps), statistics)?),
            Plan::Tensor => Packed::Tensor,
        };
        Ok(MapNet {
            shape: self.shape.clone(),
            weights: weights.clone(),
            statistics: statistics.map(<[_]>::to_vec),
            precision: self.precision,
            packed,
            sum: None,
        })
    }
}

fn pack<P: Compiled>(
    stack: &Arc<Stack<P>>,
    (weights, keeps): (&Tensor, bool),
    statistics: Option<&[Option<Observed>]>,
) -> Result<Arc<Weighted<P>>> {
    with_elements(weights, |values| Arc::new(Weighted::new(stack, values, statistics, keeps)))
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plan")
    }
}
