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

fn net(norm: Norm, activation: Activation, dtype: DType) -> Result<(ScoreShape, ScoreWeights)> {
    let (mut layers, mut weights) = (vec![], vec![]);
    for (c_in, c_out, kernel, stride) in [(3, 12, 5, 2), (12, 40, 3, 1), (40, 6, 3, 2)] {
        let conv = ConvGeometry { c_in, c_out, kernel, stride, pad_before: 1, pad_after: kernel / 2 };
        layers.push(LayerShape { conv, norm, activation });
        let affine = (Tensor::ones(c_out, dtype, &Device::Cpu)?, ramp(&[c_out], 0.2, dtype)?);
        weights.push(LayerWeights {
            weight: ramp(&conv.weight_dims(), 0.2, dtype)?,
            bias: ramp(&[c_out], 0.2, dtype)?,
            affine: (norm != Norm::None).then_some(affine),
            statistics: None,
        });
    }
    let shape = ScoreShape { channels: 3, side: 13, layers };
    let side = shape.sides()?[3];
    let (head, head_bias) = (ramp(&[6 * side * side], 1.0, dtype)?, ramp(&[1], 1.0, dtype)?);
    Ok((shape, ScoreWeights { layers: weights, head, head_bias }))
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
    let (shape, weights) = net(norm, activation, dtype)?;
    let net = ScoreNet::at_level(&shape, &weights, (precision, Route::Fused), level)?;
    let x = ramp(&[7, 3, 13, 13], 1.0, dtype)?;
    let (f, dx) = net.score_and_grad(&x)?;
    let (_, grads) = net.score_and_weight_grads(&x, &|i, _| 1.0 + i as f64)?;
    let mut all = vec![numbers(&f)?, numbers(&dx)?, numbers(&grads.head)?];
    for layer in &grads.layers {
        all.push(numbers(&layer.weight)?);
    }
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
