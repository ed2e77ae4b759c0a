use candle_core::Tensor;

use crate::channels::{channel_mean, channel_sum, per_channel};
use crate::{LayerWeights, Norm, Result};

/// Values that a [`Norm`] has normalised by tensor operations, on any device: what its backward pass needs.
#[derive(Clone, Debug)]
pub struct Normalised {
    norm: Norm,
    /// `[c]`.
    gamma: Tensor,
    /// `(z - mean) factor` `[n, c, h, w]`.
    values: Tensor,
    /// `1 / sqrt(variance + eps)`, `[1, c, 1, 1]` or `[n, c, 1, 1]`.
    factor: Tensor,
}

impl Normalised {
    /// `y = (z - mean) / sqrt(variance + eps) gamma + beta` of `z [n, c, h, w]`, with the mean and biased variance of the
    /// batch, of an image's groups of channels, or given with the weights; and what the way back needs. Without a norm
    /// `y = z`, and the way back is as short. [`Norm::Fixed`] without statistics normalises as [`Norm::Batch`].
    ///
    /// # Errors
    /// candle's.
    pub fn forward(norm: Norm, weights: &LayerWeights, z: &Tensor) -> Result<(Tensor, Option<Self>)> {
        let Some((gamma, beta)) = &weights.affine else {
            return Ok((z.clone(), None));
        };
        let (values, factor) = match (norm, &weights.statistics) {
            (Norm::None, _) => return Ok((z.clone(), None)),
            (Norm::Group { groups, eps }, _) => by_groups(z, groups, eps)?,
            (Norm::Fixed { eps }, Some((mean, variance))) => {
                let factor = inverse_deviation(&per_channel(variance)?, eps)?;
                (z.broadcast_sub(&per_channel(mean)?)?.broadcast_mul(&factor)?, factor)
            }
            (Norm::Batch { eps } | Norm::Fixed { eps }, _) => by_batch(z, eps)?,
        };
        let y = values.broadcast_mul(&per_channel(gamma)?)?.broadcast_add(&per_channel(beta)?)?;
        Ok((y, Some(Self { norm, gamma: gamma.clone(), values, factor })))
    }

    /// From the gradient of `y` to that of `z`, both `[n, c, h, w]`, through the statistics where they are the batch's or
    /// the image's own: `factor (g - mean(g) - v mean(g v))` with `g = gamma dy` and the normalised values `v` (Ioffe &
    /// Szegedy 2015), means taken over what was normalised together.
    ///
    /// # Errors
    /// candle's.
    pub fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        let g = dy.broadcast_mul(&per_channel(&self.gamma)?)?;
        let centred = match self.norm {
            Norm::None | Norm::Fixed { .. } => g,
            Norm::Batch { .. } => {
                let along = per_channel(&channel_mean(&(&g * &self.values)?)?)?;
                let level = g.broadcast_sub(&per_channel(&channel_mean(&g)?)?)?;
                (level - self.values.broadcast_mul(&along)?)?
            }
            Norm::Group { groups, .. } => {
                let (g, values) = (grouped(&g, groups)?, grouped(&self.values, groups)?);
                let along = (&g * &values)?.mean_keepdim(2)?;
                let level = g.broadcast_sub(&g.mean_keepdim(2)?)?;
                (level - values.broadcast_mul(&along)?)?.reshape(dy.shape())?
            }
        };
        Ok(centred.broadcast_mul(&self.factor)?)
    }

    /// From a tangent of `z` to that of the normalised values, and of `y`, where the statistics are constants.
    pub(crate) fn tangent(&self, dz: &Tensor) -> Result<(Tensor, Tensor)> {
        let values = dz.broadcast_mul(&self.factor)?;
        let y = values.broadcast_mul(&per_channel(&self.gamma)?)?;
        Ok((values, y))
    }

    /// The gradients of gamma and beta, `[c]` each, from that of `y [n, c, h, w]`.
    ///
    /// # Errors
    /// candle's.
    pub fn affine_grads(&self, dy: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((channel_sum(&(dy * &self.values)?)?, channel_sum(dy)?))
    }
}

/// Values and factor with the mean and variance of each channel.
fn by_batch(z: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let centred = z.broadcast_sub(&per_channel(&channel_mean(z)?)?)?;
    let factor = inverse_deviation(&per_channel(&channel_mean(&centred.sqr()?)?)?, eps)?;
    Ok((centred.broadcast_mul(&factor)?, factor))
}

/// Values and factor with the mean and variance of each image's groups of channels.
fn by_groups(z: &Tensor, groups: usize, eps: f64) -> Result<(Tensor, Tensor)> {
    let (n, c, ..) = z.dims4()?;
    let rows = grouped(z, groups)?;
    let centred = rows.broadcast_sub(&rows.mean_keepdim(2)?)?;
    let factor = inverse_deviation(&centred.sqr()?.mean_keepdim(2)?, eps)?; // [n, groups, 1]
    let values = centred.broadcast_mul(&factor)?.reshape(z.shape())?;
    Ok((values, factor.broadcast_as((n, groups, c / groups))?.reshape((n, c, 1, 1))?))
}

/// [n, c, h, w] -> [n, groups, rest].
fn grouped(x: &Tensor, groups: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    Ok(x.reshape((n, groups, c / groups * h * w))?)
}

/// 1 / sqrt(variance + eps).
fn inverse_deviation(variance: &Tensor, eps: f64) -> Result<Tensor> {
    Ok((variance + eps)?.sqrt()?.recip()?)
}
