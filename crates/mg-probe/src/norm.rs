use candle_core::Tensor;
use mg_kernels::{LayerWeights, Norm};

use crate::Result;

/// What the backward pass of a normalisation needs: the values before scale and shift, [n, c, h, w], and the factor
/// that normalised them, [1, c, 1, 1] or [n, c, 1, 1].
#[derive(Debug)]
pub(crate) struct Normalised {
    values: Tensor,
    factor: Tensor,
}

/// Gradients of scale and shift, `[c]` each; none where there is no norm.
pub(crate) type AffineGrads = Option<(Tensor, Tensor)>;

/// The convolution's output `z` [n, c, h, w] normalised, scaled and shifted: (z - mean) / sqrt(variance + eps) gamma +
/// beta, with the mean and biased variance of the batch, of an image's group of channels, or given ones.
pub(crate) fn forward(norm: Norm, weights: &LayerWeights, z: Tensor) -> Result<(Tensor, Option<Normalised>)> {
    let Some((gamma, beta)) = &weights.affine else {
        return Ok((z, None));
    };
    let (values, factor) = match (norm, &weights.statistics) {
        (Norm::None, _) => return Ok((z, None)),
        (Norm::Fixed { eps }, Some((mean, variance))) => {
            let factor = inverse_deviation(&per_channel(variance)?, eps)?;
            (z.broadcast_sub(&per_channel(mean)?)?.broadcast_mul(&factor)?, factor)
        }
        (Norm::Batch { eps } | Norm::Fixed { eps }, _) => {
            let centred = z.broadcast_sub(&per_channel(&channel_mean(&z)?)?)?;
            let factor = inverse_deviation(&per_channel(&channel_mean(&centred.sqr()?)?)?, eps)?;
            (centred.broadcast_mul(&factor)?, factor)
        }
        (Norm::Group { groups, eps }, _) => {
            let (n, c, h, w) = z.dims4()?;
            let rows = z.reshape((n, groups, c / groups * h * w))?;
            let centred = rows.broadcast_sub(&rows.mean_keepdim(2)?)?;
            let factor = inverse_deviation(&centred.sqr()?.mean_keepdim(2)?, eps)?; // [n, groups, 1]
            let values = centred.broadcast_mul(&factor)?.reshape(z.shape())?;
            (values, factor.broadcast_as((n, groups, c / groups))?.reshape((n, c, 1, 1))?)
        }
    };
    let y = values.broadcast_mul(&per_channel(gamma)?)?.broadcast_add(&per_channel(beta)?)?;
    Ok((y, Some(Normalised { values, factor })))
}

/// From the gradient of [`forward`]'s result, [n, c, h, w], to that of `z`, through the statistics where they are the
/// batch's or the image's own.
pub(crate) fn backward(
    norm: Norm,
    weights: &LayerWeights,
    normalised: Option<&Normalised>,
    dy: Tensor,
) -> Result<(Tensor, AffineGrads)> {
    let (Some(Normalised { values, factor }), Some((gamma, _))) = (normalised, &weights.affine) else {
        return Ok((dy, None));
    };
    let affine = (channel_sum(&(&dy * values)?)?, channel_sum(&dy)?);
    let dn = dy.broadcast_mul(&per_channel(gamma)?)?;
    let dn = match norm {
        Norm::None | Norm::Fixed { .. } => dn,
        Norm::Batch { .. } => {
            let along = per_channel(&channel_mean(&(&dn * values)?)?)?;
            let centred = dn.broadcast_sub(&per_channel(&channel_mean(&dn)?)?)?;
            (centred - values.broadcast_mul(&along)?)?
        }
        Norm::Group { groups, .. } => {
            let (n, c, h, w) = dn.dims4()?;
            let rows = (n, groups, c / groups * h * w);
            let (dn, values) = (dn.reshape(rows)?, values.reshape(rows)?);
            let along = (&dn * &values)?.mean_keepdim(2)?;
            let centred = dn.broadcast_sub(&dn.mean_keepdim(2)?)?;
            (centred - values.broadcast_mul(&along)?)?.reshape((n, c, h, w))?
        }
    };
    Ok((dn.broadcast_mul(factor)?, Some(affine)))
}

/// [c] as [1, c, 1, 1].
pub(crate) fn per_channel(v: &Tensor) -> Result<Tensor> {
    Ok(v.reshape((1, v.dim(0)?, 1, 1))?)
}

/// [n, c, h, w] -> [c], summed over rows of memory, which is much faster than over several dimensions at once.
pub(crate) fn channel_sum(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(2)?.sum(2)?.sum(0)?)
}

/// [n, c, h, w] -> [c].
pub(crate) fn channel_mean(x: &Tensor) -> Result<Tensor> {
    let (n, _, h, w) = x.dims4()?;
    Ok((channel_sum(x)? / (n * h * w) as f64)?)
}

/// 1 / sqrt(variance + eps).
pub(crate) fn inverse_deviation(variance: &Tensor, eps: f64) -> Result<Tensor> {
    Ok((variance + eps)?.sqrt()?.recip()?)
}
