use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::{ConvNet, NetSpec, Norm, Params, Precision, Statistics};
use mg_kernels::{Activation, LayerShape, LayerWeights, per_channel};
use mg_model::GridNet;
use mg_random::Key;

use crate::layer::{self, Trace};
use crate::{Error, Result};

/// Share of a map's mean variance below which the variance of a channel counts as that.
const RIDGE: f64 = 1e-4;

/// The convolutions of one grid's net, up to its top map. The energy's own head is carried along, unused and unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    pub(crate) spec: NetSpec,
    params: Params,
    /// What evaluation normalises with; for nets with batch statistics an average over labelled images, absent before
    /// the first.
    statistics: Option<Statistics>,
}

impl Trunk {
    /// The net that a model has learned. Nets that normalise over batches keep the statistics of the observed images
    /// that the model was saved with, as constants.
    pub(crate) fn of_model(grid: &GridNet) -> Result<Self> {
        let spec = match (&grid.statistics, grid.spec.norm) {
            (Some(_), _) => NetSpec { norm: Norm::Frozen, ..grid.spec.clone() },
            (None, Norm::None | Norm::Group { .. }) => grid.spec.clone(),
            (None, norm) => {
                return Err(Error::Unsupported(format!(
                    "grid {} of this model has norm {:?} but no statistics; a probe needs them",
                    grid.spec.side,
                    norm.name()
                )));
            }
        };
        Ok(Trunk { spec, params: grid.params.clone(), statistics: grid.statistics.clone() })
    }

    /// The net of `spec` with Xavier-uniform weights.
    pub(crate) fn init(spec: &NetSpec, key: Key, dtype: DType, device: &Device) -> Result<Self> {
        if spec.norm.needs_statistics() {
            return Err(Error::Unsupported(format!(
                "model.norm is {:?}, which takes its statistics from observed images of a generative run; a supervised net learns with \"none\", \"batch\" or \"group\"",
                spec.norm.name()
            )));
        }
        let key = key.named("params").named(&spec.side.to_string());
        let params = Params::init(spec, key, dtype, device)?;
        Ok(Trunk { spec: spec.clone(), params, statistics: None })
    }

    /// The last layer, and the side of its map.
    pub(crate) fn top(&self) -> Result<(LayerShape, usize)> {
        let shape = self.spec.shape()?;
        match (shape.layers.last(), shape.sides()?.last()) {
            (Some(layer), Some(&side)) => Ok((*layer, side)),
            _ => Err(Error::Unsupported(format!("the net of grid {} has no layer", self.spec.side))),
        }
    }

    /// The net packed for evaluation, in the precision of its spec.
    pub(crate) fn net(&self) -> Result<ConvNet> {
        Ok(match &self.statistics {
            Some(statistics) => ConvNet::with_statistics(&self.spec, &self.params, statistics)?,
            None => ConvNet::new(&self.spec, &self.params)?,
        })
    }

    /// A net without normalisation as one with batch normalisation that has the same top map, up to a factor on each
    /// channel, where `x` [n, c, s, s] is the batch: it learns as fast as a net that was normalised from the start. Other
    /// nets stay as they are.
    ///
    /// Kernels are rescaled so that every channel of `x` has variance 1 before its activation, and the norm's shift is that
    /// channel's mean. The activation passes a factor on (a leaky ReLU) and the next kernel undoes it, or, where it does
    /// not, the norm's scale keeps the variance as it was.
    pub(crate) fn with_batch_norm(&self, x: &Tensor) -> Result<Self> {
        if self.spec.norm != Norm::None {
            return Ok(self.clone());
        }
        let spec = NetSpec { norm: Norm::Batch, ..self.spec.clone() };
        let mut tensors: BTreeMap<String, Tensor> =
            self.params.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        // As they are in learning, whatever the precision of evaluation.
        let precise = NetSpec { precision: Precision::Full, ..self.spec.clone() };
        let statistics = ConvNet::statistics(&precise, &self.params, x)?;
        let mut below: Option<Tensor> = None; // what the channels below were divided by, [1, c, 1, 1]
        for (i, ((shape, weights), (mean, variance))) in (1..).zip(self.layers()?.into_iter().zip(statistics))
        {
            let least = RIDGE * variance.mean_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            let least = if least > 0.0 { least } else { 1.0 };
            let deviation = variance.sqrt()?; // [c]
            let factor = match shape.activation {
                Activation::LeakyRelu { .. } => (variance + least)?.sqrt()?,
                Activation::Silu | Activation::Tanh | Activation::Softplus => deviation.ones_like()?,
            };
            let weight = weights.weight.broadcast_div(&factor.reshape(((), 1, 1, 1))?)?;
            let weight = below.as_ref().map_or(Ok(weight.clone()), |below| weight.broadcast_mul(below))?;
            tensors.insert(format!("conv{i}.weight"), weight);
            tensors.insert(format!("conv{i}.bias"), (&weights.bias / &factor)?);
            tensors.insert(format!("norm{i}.weight"), (deviation / &factor)?);
            tensors.insert(format!("norm{i}.bias"), (mean / &factor)?);
            below = Some(per_channel(&factor)?);
        }
        Ok(Trunk { params: Params::from_tensors(&spec, &tensors)?, spec, statistics: None })
    }

    /// True when learning normalises with the batch at hand, so that evaluation needs an average.
    pub(crate) fn has_batch_statistics(&self) -> bool {
        self.spec.norm == Norm::Batch
    }

    /// Takes the mean over `batches` of their means and variances for evaluation.
    pub(crate) fn average_statistics(&mut self, batches: &[Tensor]) -> Result<()> {
        let batches = batches.iter().map(|x| Ok::<_, Error>(x.clone()));
        self.statistics = ConvNet::average_statistics(&self.spec, &self.params, batches)?;
        Ok(())
    }

    /// `x` [n, c, s, s] to the top map, with what [`backward`](Trunk::backward) needs.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<(Tensor, Vec<Trace>)> {
        let (mut map, mut traces) = (x.clone(), Vec::new());
        for (shape, weights) in self.layers()? {
            let (next, trace) = layer::forward(&shape, &weights, &map)?;
            traces.push(trace);
            map = next;
        }
        Ok((map, traces))
    }

    /// Gradients of all that learns here, by name, from that of the top map.
    pub(crate) fn backward(&self, traces: &[Trace], top: Tensor) -> Result<Vec<(String, Tensor)>> {
        let (mut dy, mut grads) = (Some(top), Vec::new());
        for (i, ((shape, weights), trace)) in self.layers()?.iter().zip(traces).enumerate().rev() {
            let Some(gradient) = dy.take() else { break };
            let (of, below) = layer::backward(shape, weights, trace, &gradient, i > 0)?;
            dy = below;
            let name = |part: &str| format!("grid{}.{part}", self.spec.side);
            grads.push((name(&format!("conv{}.weight", i + 1)), of.weight));
            grads.push((name(&format!("conv{}.bias", i + 1)), of.bias));
            if let Some((gamma, beta)) = of.affine {
                grads.push((name(&format!("norm{}.weight", i + 1)), gamma));
                grads.push((name(&format!("norm{}.bias", i + 1)), beta));
            }
        }
        Ok(grads)
    }

    /// All that learns here, by the names of [`backward`](Trunk::backward).
    pub(crate) fn learnable(&self) -> Vec<(String, Tensor)> {
        let below_head = self.params.iter().filter(|(name, _)| !name.starts_with("head."));
        below_head.map(|(name, tensor)| (self.full_name(name), tensor.clone())).collect()
    }

    /// Takes over what [`learnable`](Trunk::learnable) named.
    pub(crate) fn take(&mut self, learned: &Params) -> Result<()> {
        let new = |name: &str, old: &Tensor| learned.get(&self.full_name(name)).unwrap_or(old).clone();
        self.params = self.params.map(|name, old| Ok(new(name, old)))?;
        Ok(())
    }

    fn full_name(&self, name: &str) -> String {
        format!("grid{}.{name}", self.spec.side)
    }

    fn layers(&self) -> Result<Vec<(LayerShape, LayerWeights)>> {
        let get = |name: String| {
            self.params.get(&name).cloned().ok_or_else(|| {
                let (expected, found) = (Vec::new(), "nothing".to_string());
                Error::Energy(mg_energy::Error::Parameter { name, expected, found })
            })
        };
        // Only constants enter the forward pass of learning; an average of batch statistics is for evaluation.
        let constants = self.statistics.as_ref().filter(|_| !self.has_batch_statistics());
        let layer = |(i, shape): (usize, LayerShape)| {
            let affine = match self.spec.norm.is_affine() {
                true => Some((get(format!("norm{}.weight", i + 1))?, get(format!("norm{}.bias", i + 1))?)),
                false => None,
            };
            let (weight, bias) = (get(format!("conv{}.weight", i + 1))?, get(format!("conv{}.bias", i + 1))?);
            let statistics = constants.and_then(|all| all.get(i).cloned());
            Ok((shape, LayerWeights { weight, bias, affine, statistics }))
        };
        self.spec.shape()?.layers.into_iter().enumerate().map(layer).collect()
    }
}
