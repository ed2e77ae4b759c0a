//! Every instruction set computes the same.

use candle_core::{DType, Device, Tensor};

use crate::simd::Level;
use crate::{
    Activation, ConvGeometry, LayerShape, LayerWeights, Norm, Precision, Result, Route, ScoreNet, ScoreShape,
    ScoreWeights,
};

pub(super) fn ramp(dims: &[usize], scale: f64, dtype: DType) -> Result<Tensor> {
    let count: usize = dims.iter().product();
    let values: Vec<f64> = (0..count).map(|i| (i as f64 * 12.9898).sin() * scale).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)?)
}

/// A net of these convolutions on images of this side, with weights that are a ramp.
pub(super) fn net(
    convs: &[ConvGeometry],
    side: usize,
    (norm, activation): (Norm, Activation),
    dtype: DType,
) -> Result<(ScoreShape, ScoreWeights)> {
    let mut weights = vec![];
    for conv in convs {
        let affine = (Tensor::ones(conv.c_out, dtype, &Device::Cpu)?, ramp(&[conv.c_out], 0.2, dtype)?);
        weights.push(LayerWeights {
            weight: ramp(&conv.weight_dims(), 0.2, dtype)?,
            bias: ramp(&[conv.c_out], 0.2, dtype)?,
            affine: (norm != Norm::None).then_some(affine),
            statistics: None,
        });
    }
    let layers = convs.iter().map(|&conv| LayerShape { conv, norm, activation }).collect();
    let shape = ScoreShape { channels: 3, side, layers };
    let last = shape.sides()?[convs.len()];
    let features = convs[convs.len() - 1].c_out * last * last;
    let (head, head_bias) = (ramp(&[features], 1.0, dtype)?, ramp(&[1], 1.0, dtype)?);
    Ok((shape, ScoreWeights { layers: weights, head, head_bias }))
}

/// Scores, gradients with respect to images, and with respect to weights.
pub(super) fn scores_and_gradients(net: &ScoreNet, x: &Tensor) -> Result<Vec<Vec<f64>>> {
    let (f, dx) = net.score_and_grad(x)?;
    let (_, gradients) = net.score_and_weight_grads(x, &|i, _| 1.0 + i as f64)?;
    let mut all = vec![numbers(&f)?, numbers(&dx)?, numbers(&gradients.head)?];
    for layer in &gradients.layers {
        all.push(numbers(&layer.weight)?);
    }
    Ok(all)
}

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

/// Everything a network computes, at one level.
fn results(
    level: Level,
    norm: Norm,
    activation: Activation,
    (dtype, precision): (DType, Precision),
) -> Result<Vec<Vec<f64>>> {
    let convs = [(3, 12, 5, 2), (12, 40, 3, 1), (40, 6, 3, 2)].map(|(c_in, c_out, kernel, stride)| {
        ConvGeometry { c_in, c_out, kernel, stride, pad_before: 1, pad_after: kernel / 2 }
    });
    let (shape, weights) = net(&convs, 13, (norm, activation), dtype)?;
    let net = ScoreNet::at_level(&shape, &weights, (precision, Route::Fused), level)?;
    let x = ramp(&[7, 3, 13, 13], 1.0, dtype)?;
    let mut all = scores_and_gradients(&net, &x)?;
    for (mean, variance) in net.statistics(&x)? {
        all.extend([numbers(&mean)?, numbers(&variance)?]);
    }
    Ok(all)
}

#[test]
fn every_level_computes_the_same() -> Result<()> {
    let eps = 1e-5;
    for norm in [Norm::None, Norm::Batch { eps }, Norm::Group { groups: 2, eps }] {
        for activation in [Activation::LeakyRelu { slope: 0.2 }, Activation::Silu, Activation::Softplus] {
            let numbers = [
                ((DType::F32, Precision::Full), 1e-5),
                ((DType::F64, Precision::Full), 1e-12),
                ((DType::F32, Precision::Bf16), 2e-2), // sums in another order round another way; scores cancel
            ];
            for (dtype, limit) in numbers {
                let expected = results(Level::Portable, norm, activation, dtype)?;
                for level in Level::tested() {
                    let found = results(level, norm, activation, dtype)?;
                    for (a, b) in found.iter().zip(&expected) {
                        let gap: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                        let size: f64 = b.iter().map(|b| b * b).sum();
                        let gap = (gap / size).sqrt();
                        assert!(gap <= limit, "{gap}: {level:?} {norm:?} {activation:?} {dtype:?}");
                    }
                }
            }
        }
    }
    Ok(())
}
