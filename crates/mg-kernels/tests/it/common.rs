//! Random tensors and networks, and a convolution as its definition reads.
#![allow(dead_code, reason = "each test binary uses its share")]

use candle_core::{DType, Device, Tensor};
use mg_kernels::{Activation, ConvGeometry, LayerShape, LayerWeights, Norm, ScoreShape, ScoreWeights};
use mg_random::Key;

/// Standard normal values in the given shape.
pub(crate) fn normal(key: Key, dims: &[usize], dtype: DType) -> Tensor {
    let mut values = vec![0f32; dims.iter().product()];
    key.fill_normal(&mut values);
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

pub(crate) fn flat(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// `|a - b| / |b|`, or `|a|` where `b` is zero.
pub(crate) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (flat(a), flat(b));
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let gap = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b));
    assert!(gap.is_finite(), "not a number");
    gap / norm(&mut b.iter().copied()).max(1e-30)
}

pub(crate) fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum()
}

/// Visits all products of the convolution: indices of y, w and x.
fn products(g: &ConvGeometry, n: usize, side: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (out, k) = (g.out_side(side).unwrap(), g.kernel);
    let inside = |at: usize| (at >= g.pad_before && at - g.pad_before < side).then(|| at - g.pad_before);
    for (n, o, i) in (0..n).flat_map(|n| (0..g.c_out).flat_map(move |o| (0..g.c_in).map(move |i| (n, o, i))))
    {
        for (oy, ox) in (0..out).flat_map(|y| (0..out).map(move |x| (y, x))) {
            for (ky, kx) in (0..k).flat_map(|y| (0..k).map(move |x| (y, x))) {
                if let (Some(y), Some(x)) = (inside(oy * g.stride + ky), inside(ox * g.stride + kx)) {
                    let y_at = ((n * g.c_out + o) * out + oy) * out + ox;
                    let w_at = ((o * g.c_in + i) * k + ky) * k + kx;
                    visit(y_at, w_at, ((n * g.c_in + i) * side + y) * side + x);
                }
            }
        }
    }
}

/// The convolution, as its definition reads.
pub(crate) fn plain_conv2d(x: &Tensor, w: &Tensor, g: &ConvGeometry) -> Tensor {
    let (n, side) = (x.dim(0).unwrap(), x.dim(3).unwrap());
    let out = g.out_side(side).unwrap();
    let (x, w, mut y) = (flat(x), flat(w), vec![0.0; n * g.c_out * out * out]);
    products(g, n, side, |y_at, w_at, x_at| y[y_at] += w[w_at] * x[x_at]);
    Tensor::from_vec(y, (n, g.c_out, out, out), &Device::Cpu).unwrap()
}

pub(crate) fn plain_input_adjoint(dy: &Tensor, w: &Tensor, g: &ConvGeometry, side: usize) -> Tensor {
    let n = dy.dim(0).unwrap();
    let (dy, w, mut dx) = (flat(dy), flat(w), vec![0.0; n * g.c_in * side * side]);
    products(g, n, side, |y_at, w_at, x_at| dx[x_at] += w[w_at] * dy[y_at]);
    Tensor::from_vec(dx, (n, g.c_in, side, side), &Device::Cpu).unwrap()
}

pub(crate) fn plain_weight_adjoint(x: &Tensor, dy: &Tensor, g: &ConvGeometry) -> Tensor {
    let (n, side) = (x.dim(0).unwrap(), x.dim(3).unwrap());
    let (x, dy, mut dw) = (flat(x), flat(dy), vec![0.0; g.c_out * g.c_in * g.kernel * g.kernel]);
    products(g, n, side, |y_at, w_at, x_at| dw[w_at] += x[x_at] * dy[y_at]);
    Tensor::from_vec(dw, (g.c_out, g.c_in, g.kernel, g.kernel), &Device::Cpu).unwrap()
}

pub(crate) fn layer(
    c_in: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    norm: Norm,
    activation: Activation,
) -> LayerShape {
    let (pad_before, pad_after) = (kernel / 2, kernel / 2);
    LayerShape { conv: ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after }, norm, activation }
}

/// A small network that meets every path: stride 2 on an odd channel count, stride 1, 3x3 and 5x5.
pub(crate) fn small(norm: Norm, activation: Activation) -> ScoreShape {
    let mut first = layer(3, 10, 5, 2, norm, activation);
    (first.conv.pad_before, first.conv.pad_after) = (1, 2);
    let layers = vec![first, layer(10, 24, 3, 1, norm, activation), layer(24, 6, 3, 2, norm, activation)];
    ScoreShape { channels: 3, side: 12, layers }
}

/// A network wide enough for Winograd's convolutions, on maps that its tiles do not divide.
pub(crate) fn wide(norm: Norm, activation: Activation) -> ScoreShape {
    let mut last = layer(40, 34, 3, 1, norm, activation);
    (last.conv.pad_before, last.conv.pad_after) = (0, 3);
    let layers = vec![layer(3, 32, 3, 2, norm, activation), layer(32, 40, 3, 1, norm, activation), last];
    ScoreShape { channels: 3, side: 13, layers }
}

pub(crate) fn weights(shape: &ScoreShape, key: Key, dtype: DType) -> ScoreWeights {
    let sides = shape.sides().unwrap();
    let near = |key: Key, c: usize, centre: f64| {
        (normal(key, &[c], dtype) * 0.3).unwrap().affine(1.0, centre).unwrap()
    };
    let layers = shape.layers.iter().enumerate().map(|(i, layer)| {
        let (key, g) = (key.fold(i as u64), layer.conv);
        let fan_in = (g.c_in * g.kernel * g.kernel) as f64;
        let weight = (normal(key.named("weight"), &g.weight_dims(), dtype) * (2.0 / fan_in).sqrt()).unwrap();
        let affine = (near(key.named("gamma"), g.c_out, 1.0), near(key.named("beta"), g.c_out, 0.0));
        let statistics =
            (near(key.named("mean"), g.c_out, 0.2), near(key.named("variance"), g.c_out, 0.0).abs().unwrap());
        LayerWeights {
            weight,
            bias: near(key.named("bias"), g.c_out, 0.1),
            affine: (layer.norm != Norm::None).then_some(affine),
            statistics: matches!(layer.norm, Norm::Fixed { .. }).then_some(statistics),
        }
    });
    let side = sides[sides.len() - 1];
    let head = shape.last_channels() * side * side;
    ScoreWeights {
        layers: layers.collect(),
        head: (normal(key.named("head"), &[head], dtype) * (1.0 / head as f64).sqrt()).unwrap(),
        head_bias: normal(key.named("head bias"), &[1], dtype),
    }
}

/// All tensors of a set of weights, with names.
pub(crate) fn named(weights: &ScoreWeights) -> Vec<(String, Tensor)> {
    let mut all = vec![];
    for (i, layer) in weights.layers.iter().enumerate() {
        all.push((format!("weight {i}"), layer.weight.clone()));
        all.push((format!("bias {i}"), layer.bias.clone()));
        if let Some((gamma, beta)) = &layer.affine {
            all.push((format!("gamma {i}"), gamma.clone()));
            all.push((format!("beta {i}"), beta.clone()));
        }
    }
    all.push(("head".into(), weights.head.clone()));
    all.push(("head bias".into(), weights.head_bias.clone()));
    all
}

/// The same weights with tensor `index` of [`named`] replaced.
pub(crate) fn with_named(weights: &ScoreWeights, index: usize, tensor: Tensor) -> ScoreWeights {
    let (mut all, mut at) = (weights.clone(), 0);
    let mut put = |slot: &mut Tensor| {
        if at == index {
            *slot = tensor.clone();
        }
        at += 1;
    };
    for layer in &mut all.layers {
        put(&mut layer.weight);
        put(&mut layer.bias);
        if let Some((gamma, beta)) = &mut layer.affine {
            put(gamma);
            put(beta);
        }
    }
    put(&mut all.head);
    put(&mut all.head_bias);
    all
}

pub(crate) fn norms() -> [Norm; 4] {
    let eps = 1e-5;
    [Norm::None, Norm::Batch { eps }, Norm::Group { groups: 2, eps }, Norm::Fixed { eps }]
}

pub(crate) fn activations() -> [Activation; 5] {
    [
        Activation::LeakyRelu { slope: 0.2 },
        Activation::RELU,
        Activation::Silu,
        Activation::Tanh,
        Activation::Softplus,
    ]
}
