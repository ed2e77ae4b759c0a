use candle_core::{DType, Device, Tensor};
use mg_energy::Params;
use mg_kernels::{
    ConvGeometry, LayerShape, LayerWeights, Norm, channel_mean, conv2d, conv2d_input_adjoint,
    conv2d_weight_adjoint, per_channel,
};
use mg_random::Key;

use crate::layer::{self, Trace};
use crate::trunk::Trunk;
use crate::{Error, Result};

/// Channels of the convolution on every grid's top map (section 6.3).
const CHANNELS: usize = 64;
/// Its kernel; padded by 1, so the map keeps its side.
const KERNEL: usize = 3;
/// Share of a map's mean variance that is added to that of every channel.
const RIDGE: f64 = 1e-3;

/// The two layers on the top maps of all grids (section 6.3): on each a 3x3 convolution with 64 channels and the trunk's
/// activation; then, on all their values side by side, one fully connected layer to the scores of the classes.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    grids: Vec<TopLayer>,
    /// The fully connected layer: a 1x1 convolution on maps of one pixel, whose channels are the features.
    classifier: ConvGeometry,
    params: Params,
}

/// The convolution on one grid's top map.
#[derive(Clone, Debug)]
struct TopLayer {
    /// Side of the grid, which names the parameters.
    grid: usize,
    /// Side of its top map.
    side: usize,
    shape: LayerShape,
    /// What is subtracted from the channels of the top map, and what they are then multiplied by, [1, c, 1, 1]: constants,
    /// which bring labelled images to mean 0 and variance 1.
    mean: Tensor,
    scale: Tensor,
}

/// Features that are left out of one step of learning, each with probability `rate`; the others are scaled up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    pub(crate) rate: f64,
    pub(crate) key: Key,
}

/// What the backward pass needs.
#[derive(Debug)]
pub(crate) struct HeadTrace {
    layers: Vec<Trace>,
    /// What the fully connected layer was given, [n, features, 1, 1].
    features: Tensor,
    /// Factor of every feature: 0 where it was dropped.
    kept: Option<Tensor>,
}

impl Head {
    /// A head for these trunks that has learned nothing yet: Xavier-uniform kernels, and a fully connected layer of
    /// zeros, so that all classes begin equally likely.
    pub(crate) fn init(
        trunks: &[Trunk],
        classes: usize,
        key: Key,
        (dtype, device): (DType, &Device),
    ) -> Result<Self> {
        let (mut grids, mut entries, mut features) = (Vec::new(), Vec::new(), 0);
        for trunk in trunks {
            let (top, side) = trunk.top()?;
            let conv = convolution(top.conv.c_out, CHANNELS, KERNEL);
            let (grid, shape) = (trunk.spec.side, LayerShape { conv, norm: Norm::None, ..top });
            let weight = xavier(&conv, key.named("top").named(&grid.to_string()), dtype, device)?;
            entries.push((format!("top{grid}.weight"), weight));
            entries.push((format!("top{grid}.bias"), Tensor::zeros(CHANNELS, dtype, device)?));
            features += CHANNELS * side * side;
            let c = (1, top.conv.c_out, 1, 1);
            let (mean, scale) = (Tensor::zeros(c, dtype, device)?, Tensor::ones(c, dtype, device)?);
            grids.push(TopLayer { grid, side, shape, mean, scale });
        }
        entries.push(("classifier.weight".into(), Tensor::zeros((classes, features), dtype, device)?));
        entries.push(("classifier.bias".into(), Tensor::zeros(classes, dtype, device)?));
        let classifier = convolution(features, classes, 1);
        Ok(Head { grids, classifier, params: Params::from_entries(entries) })
    }

    /// Length of the vector that the fully connected layer sees.
    pub(crate) fn features(&self) -> usize {
        self.classifier.c_in
    }

    pub(crate) fn classes(&self) -> usize {
        self.classifier.c_out
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn take(&mut self, params: Params) {
        self.params = params;
    }

    /// Fixes the constants of top maps so that these, one [n, c, s, s] per grid, have channels of mean 0 and variance 1.
    /// A channel that varies little beside the others of its map stays small, and one that is constant becomes 0.
    pub(crate) fn standardise_by(&mut self, tops: &[Tensor]) -> Result<()> {
        for (grid, top) in self.grids.iter_mut().zip(tops) {
            let mean = per_channel(&channel_mean(top)?)?;
            let variance = channel_mean(&top.broadcast_sub(&mean)?.sqr()?)?;
            let ridge = RIDGE * variance.mean_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            let ridge = if ridge > 0.0 { ridge } else { 1.0 };
            grid.scale = (per_channel(&variance)? + ridge)?.sqrt()?.recip()?;
            grid.mean = mean;
        }
        Ok(())
    }

    /// Scores of the classes, [n, K], from the top maps, one [n, c, s, s] per grid.
    pub(crate) fn forward(&self, tops: &[Tensor], dropout: Option<Dropout>) -> Result<(Tensor, HeadTrace)> {
        let (mut layers, mut values) = (Vec::new(), Vec::new());
        for (grid, top) in self.grids.iter().zip(tops) {
            let top = top.broadcast_sub(&grid.mean)?.broadcast_mul(&grid.scale)?;
            let (map, trace) = layer::forward(&grid.shape, &self.weights(grid)?, &top)?;
            values.push(map.flatten_from(1)?);
            layers.push(trace);
        }
        let features = Tensor::cat(&values, 1)?; // [n, features]
        let kept = dropout.map(|dropout| dropout.factors(&features)).transpose()?;
        let features = match &kept {
            Some(kept) => (features * kept)?,
            None => features,
        };
        let features = features.reshape((features.dim(0)?, self.features(), 1, 1))?;
        let scores = conv2d(&features, &self.classifier_kernel()?, &self.classifier)?.flatten_from(1)?;
        let scores = scores.broadcast_add(&self.get("classifier.bias")?)?;
        Ok((scores, HeadTrace { layers, features, kept }))
    }

    /// Gradients of all that the head learns, from that of the scores, [n, K]; and, when `to_tops`, those of the top maps.
    pub(crate) fn backward(
        &self,
        trace: &HeadTrace,
        scores: &Tensor,
        to_tops: bool,
    ) -> Result<(Params, Vec<Tensor>)> {
        let n = scores.dim(0)?;
        let pixel = scores.reshape((n, self.classes(), 1, 1))?;
        let kernel = conv2d_weight_adjoint(&trace.features, &pixel, &self.classifier)?;
        let below = conv2d_input_adjoint(&pixel, &self.classifier_kernel()?, &self.classifier, 1)?;
        let below = match &trace.kept {
            Some(kept) => (below.flatten_from(1)? * kept)?,
            None => below.flatten_from(1)?,
        };
        let (mut grads, mut tops, mut at) = (Vec::new(), Vec::new(), 0);
        for (grid, layer) in self.grids.iter().zip(&trace.layers) {
            let len = CHANNELS * grid.side * grid.side;
            let dy = below.narrow(1, at, len)?.reshape((n, CHANNELS, grid.side, grid.side))?;
            let (of, top) = layer::backward(&grid.shape, &self.weights(grid)?, layer, &dy, to_tops)?;
            grads.push((format!("top{}.weight", grid.grid), of.weight));
            grads.push((format!("top{}.bias", grid.grid), of.bias));
            if let Some(top) = top {
                tops.push(top.broadcast_mul(&grid.scale)?);
            }
            at += len;
        }
        grads.push(("classifier.weight".into(), kernel.reshape((self.classes(), self.features()))?));
        grads.push(("classifier.bias".into(), scores.sum(0)?));
        Ok((Params::from_entries(grads), tops))
    }

    fn classifier_kernel(&self) -> Result<Tensor> {
        Ok(self.get("classifier.weight")?.reshape(&self.classifier.weight_dims()[..])?)
    }

    fn weights(&self, grid: &TopLayer) -> Result<LayerWeights> {
        let get = |part: &str| self.get(&format!("top{}.{part}", grid.grid));
        Ok(LayerWeights { weight: get("weight")?, bias: get("bias")?, affine: None, statistics: None })
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        self.params.get(name).cloned().ok_or_else(|| {
            let (name, found) = (name.to_string(), "nothing".to_string());
            Error::Energy(mg_energy::Error::Parameter { name, expected: Vec::new(), found })
        })
    }
}

impl Dropout {
    /// 0 for what is dropped, 1 / (1 - rate) for the rest.
    fn factors(self, like: &Tensor) -> Result<Tensor> {
        let mut values = vec![0f32; like.elem_count()];
        self.key.fill_uniform(&mut values);
        let (rate, kept) = (self.rate as f32, (1.0 / (1.0 - self.rate)) as f32);
        values.iter_mut().for_each(|v| *v = if *v < rate { 0.0 } else { kept });
        let factors = Tensor::from_vec(values, like.shape(), &Device::Cpu)?;
        Ok(factors.to_dtype(like.dtype())?.to_device(like.device())?)
    }
}

/// A convolution that keeps the side of its maps.
fn convolution(c_in: usize, c_out: usize, kernel: usize) -> ConvGeometry {
    let pad = kernel / 2;
    ConvGeometry { c_in, c_out, kernel, stride: 1, pad_before: pad, pad_after: pad }
}

/// U(-a, a) with a = sqrt(6 / (fan in + fan out)), as the nets below.
fn xavier(conv: &ConvGeometry, key: Key, dtype: DType, device: &Device) -> Result<Tensor> {
    let dims = conv.weight_dims();
    let mut values = vec![0f32; dims.iter().product()];
    key.fill_uniform(&mut values);
    let fans = (conv.c_in + conv.c_out) * conv.kernel * conv.kernel;
    let bound = (6.0 / fans as f64).sqrt() as f32;
    values.iter_mut().for_each(|v| *v = bound * (2.0 * *v - 1.0));
    Ok(Tensor::from_vec(values, &dims[..], &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
}
