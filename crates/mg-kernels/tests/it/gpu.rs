//! The tensor route on a GPU against the CPU.

use crate::common::{activations, distance, named, normal, norms, small, weights};
use candle_core::{DType, Device, Tensor};
use mg_kernels::{
    LayerWeights, Precision, Route, ScoreNet, ScoreWeights, conv2d, conv2d_input_adjoint,
    conv2d_weight_adjoint,
};
use mg_random::Key;

fn device() -> Option<Device> {
    if candle_core::utils::cuda_is_available() {
        return Device::new_cuda(0).ok();
    }
    if candle_core::utils::metal_is_available() {
        return Device::new_metal(0).ok();
    }
    None
}

fn on(device: &Device, weights: &ScoreWeights) -> ScoreWeights {
    let there = |t: &Tensor| t.to_device(device).unwrap();
    let pair = |p: &Option<(Tensor, Tensor)>| p.as_ref().map(|(a, b)| (there(a), there(b)));
    let layers = weights.layers.iter().map(|w| LayerWeights {
        weight: there(&w.weight),
        bias: there(&w.bias),
        affine: pair(&w.affine),
        statistics: pair(&w.statistics),
    });
    ScoreWeights {
        layers: layers.collect(),
        head: there(&weights.head),
        head_bias: there(&weights.head_bias),
    }
}

#[test]
#[cfg_attr(not(any(feature = "cuda", feature = "metal")), ignore = "built without cuda and metal")]
fn gpu_equals_cpu() {
    let device = device().expect("a device that answers: this was built for one");
    let nets = || norms().into_iter().flat_map(|n| activations().map(|a| (n, a)));
    // Tensor cores may round products of f32 to ten bits.
    let precisions = [(Precision::Full, 5e-3), (Precision::Bf16, 0.1)];
    for ((precision, limit), (norm, activation)) in
        precisions.into_iter().flat_map(|p| nets().map(move |n| (p, n)))
    {
        let shape = small(norm, activation);
        let weights = weights(&shape, Key::new(1), DType::F32);
        let x = normal(Key::new(2), &[9, 3, shape.side, shape.side], DType::F32);
        let cpu = ScoreNet::new(&shape, &weights).unwrap();
        let gpu = ScoreNet::with_precision(&shape, &on(&device, &weights), precision).unwrap();
        assert_eq!(gpu.route(), Route::Tensor);
        let x_gpu = x.to_device(&device).unwrap();
        let ((f, dx), (f_gpu, dx_gpu)) =
            (cpu.score_and_grad(&x).unwrap(), gpu.score_and_grad(&x_gpu).unwrap());
        let back = |t: &Tensor| t.to_device(&Device::Cpu).unwrap();
        assert!(distance(&back(&f_gpu), &f) < limit && distance(&back(&dx_gpu), &dx) < limit, "{norm:?}");
        let (_, grads) = cpu.score_and_weight_grads(&x, &|i, _| 1.0 + i as f64).unwrap();
        let (_, grads_gpu) = gpu.score_and_weight_grads(&x_gpu, &|i, _| 1.0 + i as f64).unwrap();
        for ((name, grad), (_, expected)) in named(&grads_gpu).iter().zip(named(&grads)) {
            let zero = crate::common::flat(&expected).iter().all(|v| v.abs() < 1e-3);
            assert!(zero || distance(&back(grad), &expected) < limit, "{norm:?} {name}");
        }
    }
}

#[test]
#[cfg_attr(not(any(feature = "cuda", feature = "metal")), ignore = "built without cuda and metal")]
fn single_operations_on_the_gpu_equal_those_on_the_cpu() {
    let device = device().expect("a device that answers: this was built for one");
    let there = |t: &Tensor| t.to_device(&device).unwrap();
    let g = crate::common::layer(3, 8, 5, 2, norms()[0], activations()[0]).conv;
    let (x, w) =
        (normal(Key::new(1), &[4, 3, 11, 11], DType::F32), normal(Key::new(2), &g.weight_dims(), DType::F32));
    let y = conv2d(&x, &w, &g).unwrap();
    let pairs = [
        (conv2d(&there(&x), &there(&w), &g).unwrap(), y.clone()),
        (
            conv2d_input_adjoint(&there(&y), &there(&w), &g, 11).unwrap(),
            conv2d_input_adjoint(&y, &w, &g, 11).unwrap(),
        ),
        (
            conv2d_weight_adjoint(&there(&x), &there(&y), &g).unwrap(),
            conv2d_weight_adjoint(&x, &y, &g).unwrap(),
        ),
    ];
    for (gpu, cpu) in pairs {
        assert!(distance(&gpu.to_device(&Device::Cpu).unwrap(), &cpu) < 5e-3);
    }
}
