use candle_core::{DType, Device, Tensor};

use crate::expect::expect;
use crate::sum_list::SumList;
use crate::{Error, LayerShape, Norm, Result, ScoreShape};

/// The numbers of a network, or gradients with respect to them.
#[derive(Clone, Debug)]
pub struct ScoreWeights {
    /// One entry per layer.
    pub layers: Vec<LayerWeights>,
    /// Weights of the fully connected layer, `[c * h * w]` of the last map in that order.
    pub head: Tensor,
    /// Its bias, `[1]`.
    pub head_bias: Tensor,
}

/// The numbers of one layer.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// `[c_out, c_in, k, k]`.
    pub weight: Tensor,
    /// `[c_out]`.
    pub bias: Tensor,
    /// `(gamma, beta)`, each `[c_out]`; present exactly when the layer has a norm.
    pub affine: Option<(Tensor, Tensor)>,
    /// `(mean, biased variance)`, each `[c_out]`; needed by [`Norm::Fixed`], ignored by the others, never in gradients.
    pub statistics: Option<(Tensor, Tensor)>,
}

impl ScoreWeights {
    /// Element type and device, those of the head.
    pub(crate) fn kind(&self) -> (DType, Device) {
        (self.head.dtype(), self.head.device().clone())
    }

    /// The same numbers in tensors of their own, outside candle's graph.
    pub(crate) fn copied(&self) -> Result<Self> {
        let copy = |t: &Tensor| t.detach().copy();
        Ok(Self { head: copy(&self.head)?, head_bias: copy(&self.head_bias)?, ..self.map_layers(copy)? })
    }

    /// The same with all of its layers' numbers, not the head's, in another type.
    pub(crate) fn layers_in(&self, dtype: DType) -> Result<Self> {
        self.map_layers(|tensor| tensor.to_dtype(dtype))
    }

    fn map_layers(&self, f: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        let pair = |p: &Option<(Tensor, Tensor)>| {
            p.as_ref().map(|(a, b)| Ok::<_, Error>((f(a)?, f(b)?))).transpose()
        };
        let layer = |w: &LayerWeights| {
            let (weight, bias) = (f(&w.weight)?, f(&w.bias)?);
            Ok(LayerWeights { weight, bias, affine: pair(&w.affine)?, statistics: pair(&w.statistics)? })
        };
        let layers = self.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, ..self.clone() })
    }

    /// As a flat list: of each layer the weight, the bias, gamma and beta; then the head and its bias.
    pub(crate) fn into_tensors(self) -> Vec<Tensor> {
        let mut tensors = vec![];
        for layer in self.layers {
            tensors.extend([layer.weight, layer.bias]);
            tensors.extend(layer.affine.into_iter().flat_map(|(gamma, beta)| [gamma, beta]));
        }
        tensors.extend([self.head, self.head_bias]);
        tensors
    }

    /// From the list that [`into_tensors`](Self::into_tensors) makes of gradients.
    ///
    /// # Errors
    /// Tensors of another number, shape or type than `shape` asks for.
    pub(crate) fn of_tensors(shape: &ScoreShape, tensors: Vec<Tensor>, dtype: DType) -> Result<Self> {
        let has_norm = |layer: &LayerShape| layer.norm != Norm::None;
        let count: usize = shape.layers.iter().map(|layer| if has_norm(layer) { 4 } else { 2 }).sum();
        let mut list = SumList::new(tensors, count + 2)?;
        let mut layers = Vec::with_capacity(shape.layers.len());
        for layer in &shape.layers {
            let channels = [layer.conv.c_out];
            let weight = list.take(&layer.conv.weight_dims(), dtype)?;
            let bias = list.take(&channels, dtype)?;
            let affine = if has_norm(layer) {
                Some((list.take(&channels, dtype)?, list.take(&channels, dtype)?))
            } else {
                None
            };
            layers.push(LayerWeights { weight, bias, affine, statistics: None });
        }
        let side = shape.sides()?.last().copied().unwrap_or(shape.side);
        let head = list.take(&[shape.last_channels() * side * side], dtype)?;
        Ok(Self { layers, head, head_bias: list.take(&[1], dtype)? })
    }

    /// Checks every tensor against the architecture.
    pub(crate) fn check(&self, shape: &ScoreShape) -> Result<()> {
        let side = shape.sides()?.last().copied().unwrap_or(shape.side);
        if self.layers.len() != shape.layers.len() {
            let reason = format!("weights of {} layers for {} layers", self.layers.len(), shape.layers.len());
            return Err(Error::Layer { layer: self.layers.len().min(shape.layers.len()), reason });
        }
        for (index, (weights, layer)) in self.layers.iter().zip(&shape.layers).enumerate() {
            weights.check(index, layer, self.head.dtype())?;
        }
        let head = shape.last_channels() * side * side;
        expect("head", &self.head, &[head], self.head.dtype())?;
        expect("head bias", &self.head_bias, &[1], self.head.dtype())
    }
}

impl LayerWeights {
    fn check(&self, index: usize, layer: &LayerShape, dtype: DType) -> Result<()> {
        let name = |part: &str| format!("layer {index}: {part}");
        let channels = [layer.conv.c_out];
        expect(name("weight"), &self.weight, &layer.conv.weight_dims(), dtype)?;
        expect(name("bias"), &self.bias, &channels, dtype)?;
        match (&self.affine, layer.norm) {
            (Some(_), Norm::None) => {
                let reason = "has gamma and beta but no norm: leave them out or choose a norm".to_owned();
                return Err(Error::Layer { layer: index, reason });
            }
            (None, norm) if norm != Norm::None => {
                let reason = format!("{norm:?} needs gamma and beta");
                return Err(Error::Layer { layer: index, reason });
            }
            (Some((gamma, beta)), _) => {
                expect(name("gamma"), gamma, &channels, dtype)?;
                expect(name("beta"), beta, &channels, dtype)?;
            }
            (None, _) => {}
        }
        match (&self.statistics, layer.norm) {
            (Some((mean, variance)), Norm::Fixed { .. }) => {
                expect(name("mean"), mean, &channels, dtype)?;
                expect(name("variance"), variance, &channels, dtype)
            }
            (None, Norm::Fixed { .. }) => {
                let reason = "a fixed norm needs its mean and variance in `statistics`".to_owned();
                Err(Error::Layer { layer: index, reason })
            }
            _ => Ok(()),
        }
    }
}
