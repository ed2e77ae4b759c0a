use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor, WithDType};

use crate::compiled::Compiled;
use crate::cpu_conv::with_elements;
use crate::engine::Observed;
use crate::expect::expect;
use crate::format::{Half, Whole};
use crate::gradient_sum::GradientSum;
use crate::stack::{Tape, Weighted};
use crate::{MapShape, Precision, Result, map_operations};

/// A network from maps to maps with its weights, packed once: a node of candle's graph each time it is used.
#[derive(Clone, Debug)]
pub struct MapNet {
    pub(crate) shape: MapShape,
    pub(crate) weights: Tensor,
    pub(crate) statistics: Option<Vec<Option<Observed>>>,
    pub(crate) precision: Precision,
    pub(crate) packed: Packed,
    pub(crate) sum: Option<GradientSum>,
}

/// The weights in the format that the network computes in.
#[derive(Clone)]
pub(crate) enum Packed {
    F32(Arc<Weighted<Whole<f32>>>),
    F64(Arc<Weighted<Whole<f64>>>),
    Bf16(Arc<Weighted<Half>>),
    /// By tensor operations.
    Tensor,
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
            let y = x.contiguous()?.apply_op2(&self.weights.contiguous()?, op)?;
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
        on!(self, net => with_elements(x, |elements| with_elements(&self.weights, |values| {
            let tape = net.forward(values, elements, n);
            let map = |l: usize| {
                let dims = (n, self.shape.layers[l].channels().1, sides[l + 1], sides[l + 1]);
                Ok(Tensor::from_vec(net.output(l, &tape), dims, x.device())?)
            };
            (0..self.shape.layers.len()).map(map).collect()
        }))??, {
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
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = &self.net.stack.shape;
        let (n, count) = (layout.dims()[0], layout.shape().elem_count());
        let x = &x.as_slice::<P::Elem>()?[layout.start_offset()..][..count];
        let weights = &weights.as_slice::<P::Elem>()?[weights_layout.start_offset()..];
        let tape = self.net.forward(&weights[..weights_layout.shape().elem_count()], x, n);
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
            with_elements(weights, |values| {
                let tape = tape.unwrap_or_else(|| self.net.forward(values, elements, x.dims()[0]));
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

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packed")
    }
}
