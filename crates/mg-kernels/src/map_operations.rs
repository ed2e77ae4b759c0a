//! A network from maps to maps by operations of candle's graph, on any device; the reference for `stack`.

use candle_core::{DType, Tensor};

use crate::channels::{channel_mean, per_channel};
use crate::engine::Observed;
use crate::{Direction, MapLayer, MapShape, Norm, Precision, Result, conv2d, conv2d_input_adjoint};

/// Activations after each layer, and the batch's statistics where a norm used them.
pub(crate) fn forward(
    shape: &MapShape,
    weights: &Tensor,
    statistics: Option<&[Option<Observed>]>,
    precision: Precision,
    x: &Tensor,
) -> Result<(Vec<Tensor>, Vec<Option<Observed>>)> {
    let mut parameters = shape.parameters().into_iter();
    let mut next = || {
        let parameter = parameters.next();
        let (range, dims) = parameter.map(|p| (p.range, p.dims)).unwrap_or_default();
        Ok::<_, crate::Error>(weights.narrow(0, range.start, range.len())?.reshape(dims)?)
    };
    let (mut maps, mut seen) = (Vec::with_capacity(shape.layers.len()), vec![]);
    for (l, layer) in shape.layers.iter().enumerate() {
        let input = maps.last().unwrap_or(x);
        let z = convolve(layer, &next()?, precision, input)?;
        let (y, observed) = match layer.norm {
            Norm::Batch { eps } => {
                let given = statistics.and_then(|all| all[l].as_ref());
                let (values, observed) = normalise(&z, eps, given)?;
                let scaled = values.broadcast_mul(&per_channel(&next()?)?)?;
                (scaled.broadcast_add(&per_channel(&next()?)?)?, observed)
            }
            _ if layer.bias => (z.broadcast_add(&per_channel(&next()?)?)?, None),
            _ => (z, None),
        };
        maps.push(layer.activation.apply(&y)?);
        seen.push(observed);
    }
    Ok((maps, seen))
}

/// The convolution, or its adjoint; in bf16 where that is asked and candle has it.
fn convolve(layer: &MapLayer, weight: &Tensor, precision: Precision, x: &Tensor) -> Result<Tensor> {
    let inner = match precision {
        Precision::Bf16 if !x.device().is_cpu() => DType::BF16,
        _ => x.dtype(),
    };
    let (input, weight) = (x.to_dtype(inner)?.contiguous()?, weight.to_dtype(inner)?.contiguous()?);
    let z = match layer.direction {
        Direction::Down => conv2d(&input, &weight, &layer.conv)?,
        Direction::Up { side } => conv2d_input_adjoint(&input, &weight, &layer.conv, side)?,
    };
    Ok(z.to_dtype(x.dtype())?)
}

/// `(z - mean) / sqrt(variance + eps)`, by the batch's own moments, which are returned, or by given ones.
fn normalise(z: &Tensor, eps: f64, given: Option<&Observed>) -> Result<(Tensor, Option<Observed>)> {
    let tensor = |values: &[f64]| Tensor::new(values, z.device())?.to_dtype(z.dtype());
    let (mean, variance) = match given {
        Some((mean, variance)) => (tensor(mean)?, tensor(variance)?),
        None => {
            let mean = channel_mean(z)?;
            let variance = channel_mean(&z.broadcast_sub(&per_channel(&mean)?)?.sqr()?)?;
            (mean, variance)
        }
    };
    let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.to_vec1::<f64>();
    let observed = match given {
        Some(_) => None,
        None => Some((numbers(&mean)?, numbers(&variance)?)),
    };
    let factor = per_channel(&(variance + eps)?.sqrt()?.recip()?)?;
    Ok((z.broadcast_sub(&per_channel(&mean)?)?.broadcast_mul(&factor)?, observed))
}
