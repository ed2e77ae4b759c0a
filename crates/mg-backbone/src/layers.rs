use candle_core::{DType, Device, Tensor};
use mg_kernels::{Clip, Graph, MapId, Window};

use crate::Result;
use crate::weights::Weights;

/// A graph under construction from published weights.
pub(crate) struct Layers<'a> {
    pub(crate) graph: Graph,
    pub(crate) network: &'static str,
    pub(crate) weights: &'a Weights,
    pub(crate) device: &'a Device,
    /// Added to the variances of batch norms.
    pub(crate) eps: f64,
}

impl Layers<'_> {
    /// A convolution without bias and the batch norm after it, as one convolution: the weights `conv` (its full name) and
    /// the numbers below `norm`.
    pub(crate) fn conv(
        &mut self,
        from: MapId,
        window: Window,
        (conv, norm): (&str, &str),
        clip: Clip,
    ) -> Result<MapId> {
        let (weight, bias) = self.folded(conv, norm)?;
        Ok(self.graph.conv(from, window, (&weight, &bias), clip)?)
    }

    /// As [`conv`](Layers::conv), with a convolution of every channel by itself.
    pub(crate) fn depthwise(
        &mut self,
        from: MapId,
        window: Window,
        (conv, norm): (&str, &str),
        clip: Clip,
    ) -> Result<MapId> {
        let (weight, bias) = self.folded(conv, norm)?;
        Ok(self.graph.depthwise(from, window, (&weight, &bias), clip)?)
    }

    /// w gamma / sqrt(variance + eps) and beta - mean gamma / sqrt(variance + eps).
    fn folded(&self, conv: &str, norm: &str) -> Result<(Tensor, Tensor)> {
        let of_norm = |part: &str| self.weights.get(self.network, &format!("{norm}.{part}"));
        let rstd = (of_norm("running_var")? + self.eps)?.sqrt()?.recip()?;
        let scale = (of_norm("weight")? * rstd)?;
        let bias = (of_norm("bias")? - (of_norm("running_mean")? * &scale)?)?;
        let weight = self.weights.get(self.network, conv)?.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?;
        Ok((self.placed(&weight)?, self.placed(&bias)?))
    }

    /// A tensor of the weights as the network computes with it.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        self.placed(&self.weights.get(self.network, name)?)
    }

    fn placed(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(tensor.to_dtype(DType::F32)?.to_device(self.device)?)
    }
}
