use candle_core::Tensor;
use mg_kernels::{Part, ScoreNet};

use crate::clock::with_clock;
use crate::params::Statistics;
use crate::{Error, NetSpec, Params, Result};

/// The score f: a bottom-up ConvNet with its parameters, packed for evaluation. Pack once per set of parameters;
/// the steps of a chain share it.
///
/// The score f(x, t) of a net with a clock is evaluated at one time t, which is 1 until [`at`](ConvNet::at) says
/// otherwise: images come and gradients go without the planes that tell it.
#[derive(Clone)]
pub struct ConvNet {
    spec: NetSpec,
    net: ScoreNet,
    /// For a net with a clock.
    time: f64,
}

/// Scores of a batch and the gradient of their weighted sum with respect to every parameter.
#[derive(Debug)]
pub struct Scored {
    /// f(x_i), `[n]`.
    pub score: Tensor,
    /// d/dtheta of sum_i c_i f(x_i), in the form of the parameters.
    pub grads: Params,
}

impl ConvNet {
    /// The net of `spec` with these parameters.
    ///
    /// # Errors
    /// When the parameters do not fit, or the spec's normalisation needs statistics
    /// (then use [`with_statistics`](ConvNet::with_statistics)).
    pub fn new(spec: &NetSpec, params: &Params) -> Result<Self> {
        if spec.norm.needs_statistics() {
            return Err(Error::NoStatistics { norm: spec.norm.name() });
        }
        let net = ScoreNet::with_precision(&spec.shape()?, &params.to_weights(spec, None)?, spec.precision)?;
        Ok(ConvNet { spec: spec.clone(), net, time: 1.0 })
    }

    /// The net of `spec` normalised with these statistics, whatever the spec's own normalisation is: the way to
    /// evaluate a net learned with batch statistics on batches of any size.
    ///
    /// # Errors
    /// When the parameters or statistics do not fit.
    pub fn with_statistics(spec: &NetSpec, params: &Params, statistics: &Statistics) -> Result<Self> {
        if statistics.len() != spec.layers.len() {
            let (found, layers) = (statistics.len(), spec.layers.len());
            return Err(Error::Spec(format!("statistics of {found} layers for a net of {layers}")));
        }
        let spec = NetSpec { norm: crate::Norm::Frozen, ..spec.clone() };
        let weights = params.to_weights(&spec, Some(statistics))?;
        let net = ScoreNet::with_precision(&spec.shape()?, &weights, spec.precision)?;
        Ok(ConvNet { spec, net, time: 1.0 })
    }

    /// The same net at `time`, in [0, 1], if it has a clock. What is packed is shared.
    #[must_use]
    pub fn at(&self, time: f64) -> Self {
        ConvNet { time, ..self.clone() }
    }

    /// What the net looks like.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// f(x): [n, c, s, s] -> `[n]`.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.net.score(&self.timed(x)?)?)
    }

    /// f(x) `[n]` and df/dx [n, c, s, s]; no parameter gradient is computed.
    pub fn score_and_grad(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.score_and_scaled_grad(x, 1.0)
    }

    /// f(x) `[n]` and `factor` df/dx [n, c, s, s], the factor at no cost.
    pub fn score_and_scaled_grad(&self, x: &Tensor, factor: f64) -> Result<(Tensor, Tensor)> {
        let (score, grad) = self.net.score_and_scaled_grad(&self.timed(x)?, factor)?;
        let grad = if self.spec.clock == 0 { grad } else { grad.narrow(1, 0, x.dim(1)?)?.contiguous()? };
        Ok((score, grad))
    }

    /// f(x) `[n]` and the parameter gradient of sum_i c_i f(x_i), where c_i = `coefficient(i, f(x_i))` counts as a
    /// constant. With c = -1/n this is half of equation (7).
    pub fn score_and_param_grads(
        &self,
        x: &Tensor,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<Scored> {
        let (score, grads) = self.net.score_and_weight_grads(&self.timed(x)?, coefficient)?;
        Ok(Scored { score, grads: Params::from_weights(grads)? })
    }

    /// What one part of a batch adds to [`score_and_param_grads`](Self::score_and_param_grads) of the whole: the scores of
    /// its images, `[n]`, and sums in a fixed order, which are to be added list by list, those of all parts in their order,
    /// and given to [`finish_param_grads`](Self::finish_param_grads). `coefficient` gets the number of an image within the
    /// whole batch.
    ///
    /// # Errors
    /// When the part does not begin and end where sums do, or the net normalises over batches.
    pub fn score_and_param_sums(
        &self,
        x: &Tensor,
        part: Part,
        coefficient: &(dyn Fn(usize, f64) -> f64 + Sync),
    ) -> Result<(Tensor, Vec<Vec<Tensor>>)> {
        Ok(self.net.score_and_weight_sums(&self.timed(x)?, part, coefficient)?)
    }

    /// The gradients that the total of all sums of a batch stands for.
    ///
    /// # Errors
    /// When the total is that of another net.
    pub fn finish_param_grads(&self, total: Vec<Tensor>) -> Result<Params> {
        Params::from_weights(self.net.finish_weight_sums(total)?)
    }

    /// Activations of one layer, from 0: [n, channels, side, side].
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn features(&self, x: &Tensor, layer: usize) -> Result<Tensor> {
        if layer >= self.spec.layers.len() {
            let layers = self.spec.layers.len();
            return Err(Error::Spec(format!("layer {layer} of a net of {layers}; layers count from 0")));
        }
        Ok(self.net.features(&self.timed(x)?, layer)?)
    }

    /// Activations of every layer, bottom-up, in one pass: [n, channels, side, side] each.
    pub fn all_features(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        Ok(self.net.all_features(&self.timed(x)?)?)
    }

    /// Mean and variance of every layer's maps over this batch, each layer normalised by this batch.
    pub fn statistics(spec: &NetSpec, params: &Params, x: &Tensor) -> Result<Statistics> {
        let norm = if spec.norm.needs_statistics() { crate::Norm::Batch } else { spec.norm };
        let net = ConvNet::new(&NetSpec { norm, ..spec.clone() }, params)?;
        Ok(net.net.statistics(&net.timed(x)?)?)
    }

    /// Mean over batches of their [`statistics`](Self::statistics), the batches weighing the same: what a net that was
    /// learned with those of the batch at hand is evaluated with. `None` without a batch.
    pub fn average_statistics<E: From<Error>>(
        spec: &NetSpec,
        params: &Params,
        batches: impl IntoIterator<Item = std::result::Result<Tensor, E>>,
    ) -> std::result::Result<Option<Statistics>, E> {
        let (mut total, mut n): (Option<Statistics>, _) = (None, 0.0);
        for x in batches {
            let one = Self::statistics(spec, params, &x?)?;
            total = Some(match total {
                Some(sum) => added(&sum, &one)?,
                None => one,
            });
            n += 1.0;
        }
        Ok(total.map(|sum| divided(&sum, n)).transpose()?)
    }

    /// The images with the planes that tell the time.
    fn timed(&self, x: &Tensor) -> Result<Tensor> {
        if self.spec.clock == 0 {
            return Ok(x.clone());
        }
        with_clock(&self.spec, x, &vec![self.time; x.dim(0)?])
    }
}

fn added(a: &Statistics, b: &Statistics) -> Result<Statistics> {
    a.iter().zip(b).map(|((m, v), (n, w))| Ok(((m + n)?, (v + w)?))).collect()
}

fn divided(sum: &Statistics, n: f64) -> Result<Statistics> {
    sum.iter().map(|(m, v)| Ok(((m / n)?, (v / n)?))).collect()
}

impl std::fmt::Debug for ConvNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConvNet").field("spec", &self.spec).finish_non_exhaustive()
    }
}
