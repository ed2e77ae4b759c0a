use candle_core::{DType, Tensor};
use mg_kernels::{Part, TangentNet};

use crate::clock::with_clock;
use crate::{Error, NetSpec, Params, Result};

/// Images, and what the gradients of their scores are to be.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The images, [n, c, s, s].
    pub x: &'a Tensor,
    /// The time of each, in [0, 1], n of them; nets without a clock do not see it.
    pub times: &'a [f64],
    /// What df/dx is to be, [n, c, s, s].
    pub gradients: &'a Tensor,
}

/// A score net packed for learning what its gradient df/dx is: the loss is the mean of squared differences over images and
/// pixels. Where targets are velocities of images on paths that cross, what is learned is the mean velocity at each
/// point (Lipman et al. 2023; Balcerak et al. 2025 learn an energy so, before any chain is run).
#[derive(Clone, Debug)]
pub struct Matching {
    spec: NetSpec,
    net: TangentNet,
}

/// What [`Matching::param_grads`] finds.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The mean squared difference between gradient and target over the pixels of each image.
    pub errors: Vec<f64>,
    /// The gradient of their mean with respect to every parameter.
    pub grads: Params,
}

impl Matching {
    /// The net of `spec`, which may have a clock, with these parameters.
    ///
    /// # Errors
    /// When the parameters do not fit, or the net normalises by what is in its maps.
    pub fn new(spec: &NetSpec, params: &Params) -> Result<Self> {
        if spec.norm.needs_statistics() {
            return Err(Error::NoStatistics { norm: spec.norm.name() });
        }
        let net = TangentNet::new(&spec.shape()?, &params.to_weights(spec, None)?, spec.precision)?;
        Ok(Matching { spec: spec.clone(), net })
    }

    /// The error of every image, and the gradient of their mean.
    ///
    /// # Errors
    /// When images do not fit each other or the net.
    pub fn param_grads(&self, targets: &Targets<'_>) -> Result<Matched> {
        let (x, gradients) = self.points(targets)?;
        let toward = toward(&gradients, Part { first: 0, of: gradients.len() });
        let (errors, grads) = self.net.weight_grads(&x, &toward)?;
        Ok(Matched { errors, grads: Params::from_weights(grads)? })
    }

    /// What one part of a batch adds to [`param_grads`](Self::param_grads) of the whole: the errors of its images, and sums
    /// as in [`ConvNet::score_and_param_sums`](crate::ConvNet::score_and_param_sums).
    ///
    /// # Errors
    /// As [`param_grads`](Self::param_grads), and when the part does not begin and end where sums do.
    pub fn param_sums(&self, targets: &Targets<'_>, part: Part) -> Result<(Vec<f64>, Vec<Vec<Tensor>>)> {
        let (x, gradients) = self.points(targets)?;
        Ok(self.net.weight_sums(&x, part, &toward(&gradients, part))?)
    }

    /// The gradients that the total of all sums of a batch stands for.
    ///
    /// # Errors
    /// When the total is that of another net.
    pub fn finish_param_grads(&self, total: Vec<Tensor>) -> Result<Params> {
        Params::from_weights(self.net.finish_weight_sums(total)?)
    }

    /// The images, with clocks where the net has one, and the targets, a row for each image.
    fn points(&self, targets: &Targets<'_>) -> Result<(Tensor, Vec<Vec<f64>>)> {
        let Targets { x, times, gradients } = *targets;
        if x.dims() != gradients.dims() {
            let (x, gradients) = (x.dims(), gradients.dims());
            return Err(Error::Spec(format!("targets {gradients:?} for images {x:?}: of the same shape")));
        }
        let x = if self.spec.clock > 0 { with_clock(&self.spec, x, times)? } else { x.clone() };
        Ok((x, gradients.flatten_from(1)?.to_dtype(DType::F64)?.to_vec2()?))
    }
}

/// The direction of steepest ascent of the error of an image, as its share of the mean over the whole batch.
fn toward(targets: &[Vec<f64>], part: Part) -> impl Fn(usize, &mut [f64]) -> f64 + Sync + '_ {
    move |i, gradient| {
        let target = &targets[i - part.first];
        let pixels = target.len() as f64;
        let (image, clock) = gradient.split_at_mut(target.len());
        let mut error = 0.0;
        for (g, t) in image.iter_mut().zip(target) {
            let off = *g - t;
            error += off * off / pixels;
            *g = 2.0 * off / (pixels * part.of as f64);
        }
        clock.fill(0.0);
        error
    }
}
