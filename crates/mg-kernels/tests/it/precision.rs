//! How exact scores, features and gradients of the paper's nets are, in f32 and in bf16.

use crate::common::{distance, normal};
use candle_core::{DType, Tensor};
use mg_kernels::{
    Activation, ConvGeometry, LayerShape, LayerWeights, Norm, Precision, ScoreNet, ScoreShape, ScoreWeights,
    conv2d, conv2d_input_adjoint,
};
use mg_random::Key;

const SLOPE: f64 = 0.2;

/// Channels, kernel, stride.
type Layer = (usize, usize, usize);

/// Side of the grid and its layers (section 6.1).
const NETS: [(usize, &[Layer]); 3] = [
    (4, &[(96, 5, 2), (128, 3, 1), (256, 3, 1)]),
    (16, &[(96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)]),
    (64, &[(96, 5, 2), (128, 3, 2), (256, 3, 1)]),
];

fn net(side: usize, layers: &[Layer]) -> (ScoreShape, ScoreWeights) {
    let (mut c_in, mut shapes, mut weights) = (3, vec![], vec![]);
    for (i, &(c_out, kernel, stride)) in layers.iter().enumerate() {
        let (pad_before, pad_after) = (kernel / 2, kernel / 2);
        let conv = ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after };
        let activation = Activation::LeakyRelu { slope: SLOPE };
        shapes.push(LayerShape { conv, norm: Norm::None, activation });
        let key = Key::new(11).fold(i as u64);
        let scale = (2.0 / (c_in * kernel * kernel) as f64).sqrt();
        let weight = (normal(key.named("weight"), &conv.weight_dims(), DType::F64) * scale).unwrap();
        let bias = (normal(key.named("bias"), &[c_out], DType::F64) * 0.1).unwrap();
        weights.push(LayerWeights { weight, bias, affine: None, statistics: None });
        c_in = c_out;
    }
    let shape = ScoreShape { channels: 3, side, layers: shapes };
    let last = shape.sides().unwrap()[layers.len()];
    let head = (normal(Key::new(12), &[c_in * last * last], DType::F64) * 0.02).unwrap();
    let head_bias = normal(Key::new(13), &[1], DType::F64);
    (shape, ScoreWeights { layers: weights, head, head_bias })
}

fn in_f32(weights: &ScoreWeights) -> ScoreWeights {
    let f32 = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let layer = |w: &LayerWeights| LayerWeights {
        weight: f32(&w.weight),
        bias: f32(&w.bias),
        affine: None,
        statistics: None,
    };
    let layers = weights.layers.iter().map(layer).collect();
    ScoreWeights { layers, head: f32(&weights.head), head_bias: f32(&weights.head_bias) }
}

/// Activations of every layer, and the gradient of the images.
fn all(net: &ScoreNet, x: &Tensor) -> Vec<Tensor> {
    let features = (0..net.shape().layers.len()).map(|l| net.features(x, l).unwrap());
    features.chain([net.score_and_grad(x).unwrap().1]).collect()
}

fn rounded(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F32).unwrap().to_dtype(DType::BF16).unwrap().to_dtype(DType::F64).unwrap()
}

/// The derivative of the activation that made `a`.
fn slope_at(a: &Tensor) -> Tensor {
    a.gt(0.0).unwrap().to_dtype(DType::F64).unwrap().affine(1.0 - SLOPE, SLOPE).unwrap()
}

/// What [`all`] returns, in f64 but for operands of products, which are rounded to bf16.
fn all_rounded(shape: &ScoreShape, weights: &ScoreWeights, x: &Tensor) -> Vec<Tensor> {
    let (mut a, mut features) = (rounded(x), vec![]);
    for (layer, weights) in shape.layers.iter().zip(&weights.layers) {
        let bias = weights.bias.reshape((1, layer.conv.c_out, 1, 1)).unwrap();
        let z = conv2d(&a, &rounded(&weights.weight), &layer.conv).unwrap().broadcast_add(&bias).unwrap();
        a = rounded(&(&z * slope_at(&z)).unwrap());
        features.push(a.clone());
    }
    let sides = shape.sides().unwrap();
    let mut grad =
        weights.head.reshape((1, shape.last_channels(), sides[sides.len() - 1], sides[sides.len() - 1]));
    for (l, (layer, weights)) in shape.layers.iter().zip(&weights.layers).enumerate().rev() {
        let grad_here = slope_at(&features[l]).broadcast_mul(&grad.unwrap()).unwrap();
        let weight = rounded(&weights.weight);
        grad = Ok(conv2d_input_adjoint(&rounded(&grad_here), &weight, &layer.conv, sides[l]).unwrap());
    }
    features.push(grad.unwrap());
    features
}

#[test]
fn layers_and_gradients_are_exact_to_1e_5_in_f32_and_to_their_rounded_operands_in_bf16() {
    for (side, layers) in NETS {
        let (shape, weights) = net(side, layers);
        let x = normal(Key::new(14), &[3, 3, side, side], DType::F64);
        let exact = all(&ScoreNet::new(&shape, &weights).unwrap(), &x);
        let references = all_rounded(&shape, &weights, &x);
        let (weights, x) = (in_f32(&weights), x.to_dtype(DType::F32).unwrap());
        let error = |found: &Tensor, l: usize| distance(&found.to_dtype(DType::F64).unwrap(), &exact[l]);
        let single = all(&ScoreNet::new(&shape, &weights).unwrap(), &x);
        for (l, found) in single.iter().enumerate() {
            assert!(error(found, l) < 1e-5, "f32, grid {side}, output {l}: {}", error(found, l));
        }
        let half = all(&ScoreNet::with_precision(&shape, &weights, Precision::Bf16).unwrap(), &x);
        for (l, (found, reference)) in half.iter().zip(&references).enumerate() {
            let (ours, explained) = (error(found, l), error(reference, l));
            assert!(
                ours < 1.1 * explained,
                "bf16, grid {side}, output {l}: {ours}, rounding explains {explained}"
            );
            println!(
                "grid {side}, output {l}: f32 {:.1e}, bf16 {ours:.2e}, rounding {explained:.2e}",
                error(&single[l], l)
            );
        }
    }
}
