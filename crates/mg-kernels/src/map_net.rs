use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor, WithDType};

use crate::compiled::Compiled;
use crate::cpu_conv::with_elements;
use crate::engine::Observed;
use crate::expect::expect;
use crate::format::{Half, Whole};
use crate::gradient_sum::GradientSum;
use crate::simd::Level;
use crate::stack::{Stack, Tape, Weighted};
use crate::{MapShape, Precision, Result, map_operations};

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

/// A network from maps to maps with its weights, packed once: a node of candle's graph each time it is used.
#[derive(Clone, Debug)]
pub struct MapNet {
    shape: MapShape,
    weights: Tensor,
    statistics: Option<Vec<Option<Observed>>>,
    precision: Precision,
    packed: Packed,
    sum: Option<GradientSum>,
}

#[derive(Clone)]
enum Packed {
    F32(Arc<Weighted<Whole<f32>>>),
    F64(Arc<Weighted<Whole<f64>>>),
    Bf16(Arc<Weighted<Half>>),
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
        self.weighted(weights, None)
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
        self.weighted(weights, Some(statistics))
    }

    fn weighted(&self, weights: &Tensor, statistics: Option<&[Option<Observed>]>) -> Result<MapNet> {
        expect("the vector of parameters", weights, &[self.shape.parameter_count()], weights.dtype())?;
        let packed = match &self.layout {
            Plan::F32(stack) => Packed::F32(pack(stack, weights, statistics)?),
            Plan::F64(stack) => Packed::F64(pack(stack, weights, statistics)?),
            Plan::Bf16(stack) => Packed::Bf16(pack(stack, weights, statistics)?),
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
    weights: &Tensor,
    statistics: Option<&[Option<Observed>]>,
) -> Result<Arc<Weighted<P>>> {
    with_elements(weights, |values| Arc::new(Weighted::new(stack, values, statistics)))
}

/// Runs `$fused` with the packed network as `$net`, or `$tensor`.
macro_rules! on {
    ($self:ident, $net:ident => $fused:expr, $tensor:expr) => {
        match &$self.packed {
            Packed::F32($net) => $fused,
            Packed::F64($net) => $fused,
            Packed::Bf16($net) => $fused,
            Packed::Tensor => $tensor,
        }
    };
}

impl MapNet {
    /// The architecture.
    pub fn shape(&self) -> &MapShape {
        &self.shape
    }

    /// The same with gradients of its parameters that go to a sum, and so not to candle's; where it computes by tensor
    /// operations, they go to candle's all the same.
    pub fn with_sum(self, sum: &GradientSum) -> Self {
        Self { sum: Some(sum.clone()), ..self }
    }

    /// Maps `[n, c, side, side]` of the last layer, from `x [n, channels, side, side]`. Differentiable in `x` and in the
    /// weights through candle's autograd; a gradient that is not tracked is never computed.
    ///
    /// # Errors
    /// Another shape or element type of `x`; an empty batch.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.forward_observed(x)?.0)
    }

    /// The same, and of each layer the mean and biased variance that the batch norm saw, `None` where there is none or
    /// where they were given.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_observed(&self, x: &Tensor) -> Result<(Tensor, Vec<Option<Observed>>)> {
        self.check(x)?;
        on!(self, net => {
            let op = Op { net: net.clone(), tape: Arc::default(), sum: self.sum.clone() };
            let tape = op.tape.clone();
            let y = x.contiguous()?.apply_op2(&self.weights, op)?;
            let mut tape = lock(&tape);
            let observed = tape.as_ref().map_or_else(Vec::new, |tape| tape.observed.clone());
            if !x.track_op() && !self.weights.track_op() {
                *tape = None;
            }
            Ok((y, observed))
        }, {
            let (mut maps, observed) =
                map_operations::forward(&self.shape, &self.weights, self.statistics.as_deref(), self.precision, x)?;
            Ok((maps.pop().unwrap_or_else(|| x.clone()), observed))
        })
    }

    /// Maps of all layers after their activations, from the first, `[n, c, side, side]` each; outside candle's graph.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn maps(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let (n, sides) = (self.check(x)?, self.shape.sides()?);
        on!(self, net => with_elements(x, |elements| {
            let tape = net.forward(elements, n);
            let map = |l: usize| {
                let dims = (n, self.shape.layers[l].channels().1, sides[l + 1], sides[l + 1]);
                Ok(Tensor::from_vec(net.output(l, &tape), dims, x.device())?)
            };
            (0..self.shape.layers.len()).map(map).collect()
        })?, {
            let (x, weights) = (x.detach(), self.weights.detach());
            Ok(map_operations::forward(&self.shape, &weights, self.statistics.as_deref(), self.precision, &x)?.0)
        })
    }

    /// Checks the inputs and counts them.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let (channels, side) = (self.shape.channels, self.shape.side);
        expect("x", x, &[0, channels, side, side], self.weights.dtype())?;
        if x.dim(0)? == 0 {
            let (expected, found) = (vec![1, channels, side, side], x.dims().to_vec());
            return Err(crate::Error::Shape { what: "x (an empty batch)".into(), expected, found });
        }
        Ok(x.dim(0)?)
    }
}

/// The network as a node of candle's graph, of its input and its vector of parameters.
struct Op<P: Compiled> {
    net: Arc<Weighted<P>>,
    tape: Arc<Mutex<Option<Tape<P>>>>,
    sum: Option<GradientSum>,
}

impl<P: Compiled> CustomOp2 for Op<P> {
    fn name(&self) -> &'static str {
        "map-net"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = &self.net.stack.shape;
        let (n, count) = (layout.dims()[0], layout.shape().elem_count());
        let x = &x.as_slice::<P::Elem>()?[layout.start_offset()..][..count];
        let tape = self.net.forward(x, n);
        let last = shape.layers.len() - 1;
        let y = self.net.output(last, &tape);
        *lock(&self.tape) = Some(tape);
        let side = shape.sides()?[last + 1];
        Ok((P::Elem::to_cpu_storage_owned(y), (n, shape.out_channels(), side, side).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let wants = (x.track_op(), weights.track_op());
        let tape = lock(&self.tape).take();
        let gradients = with_elements(x, |elements: &[P::Elem]| {
            let tape = tape.unwrap_or_else(|| self.net.forward(elements, x.dims()[0]));
            with_elements(weights, |values| {
                with_elements(dy, |dy| self.net.backward(&tape, values, elements, dy, wants))
            })
        })???;
        let of = |values: Option<Vec<P::Elem>>, like: &Tensor| {
            values.map(|values| Tensor::from_vec(values, like.shape(), like.device())).transpose()
        };
        let (input, parameters) = (of(gradients.input, x)?, of(gradients.parameters, weights)?);
        match (&self.sum, parameters) {
            (Some(sum), Some(gradient)) => {
                sum.add(gradient)?;
                Ok((input, None))
            }
            (_, parameters) => Ok((input, parameters)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plan")
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packed")
    }
}
