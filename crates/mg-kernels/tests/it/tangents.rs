//! The gradients of derivatives along directions.

use crate::common::{activations, distance, dot, flat, named, normal, small, weights, wide, with_named};
use candle_core::{DType, Device, Tensor};
use mg_kernels::{
    Activation, Error, Norm, Part, Precision, Route, ScoreNet, ScoreShape, ScoreWeights, TangentNet,
};
use mg_random::Key;

const EPS: f64 = 1e-5;
const CONSTANT: [Norm; 2] = [Norm::None, Norm::Fixed { eps: EPS }];

fn images(key: u64, shape: &ScoreShape, n: usize, dtype: DType) -> Tensor {
    normal(Key::new(key), &[n, shape.channels, shape.side, shape.side], dtype)
}

/// Leaves the rows of `v` as directions and finds the derivative along them.
fn along(v: &Tensor) -> impl Fn(usize, &mut [f64]) -> f64 + Sync {
    let v = v.flatten_from(1).unwrap().to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
    move |i, g| {
        let found = g.iter().zip(&v[i]).map(|(g, v)| g * v).sum();
        g.copy_from_slice(&v[i]);
        found
    }
}

/// `sum_i <df_i/dx_i, v_i>`.
fn derivative(shape: &ScoreShape, weights: &ScoreWeights, x: &Tensor, v: &Tensor) -> f64 {
    let net = ScoreNet::with_route(shape, weights, Precision::Full, Route::Tensor).unwrap();
    dot(&net.score_and_grad(x).unwrap().1, v)
}

#[test]
fn gradients_are_finite_differences() {
    let key = Key::new(5);
    for (norm, activation) in CONSTANT.iter().flat_map(|norm| activations().map(|a| (*norm, a))) {
        // Short steps do not cross a kink.
        let e = if matches!(activation, Activation::LeakyRelu { .. }) { 1e-8 } else { 1e-6 };
        for shape in [small(norm, activation), wide(norm, activation)] {
            let weights = weights(&shape, Key::new(1), DType::F64);
            let (x, v) = (images(2, &shape, 3, DType::F64), images(3, &shape, 3, DType::F64));
            for route in [Route::Fused, Route::Tensor] {
                let net = TangentNet::with_route(&shape, &weights, Precision::Full, route).unwrap();
                let (found, grads) = net.weight_grads(&x, &along(&v)).unwrap();
                let total = derivative(&shape, &weights, &x, &v);
                assert!((found.iter().sum::<f64>() - total).abs() < 1e-9 * total.abs().max(1.0));
                for (i, (name, grad)) in named(&grads).iter().enumerate() {
                    let centre = &named(&weights)[i].1;
                    let step = normal(key.fold(i as u64), centre.dims(), DType::F64);
                    let at = |e: f64| {
                        let moved = (centre + (&step * e).unwrap()).unwrap();
                        derivative(&shape, &with_named(&weights, i, moved), &x, &v)
                    };
                    let (expected, found) = ((at(e) - at(-e)) / (2.0 * e), dot(grad, &step));
                    let scale = dot(grad, grad).sqrt() + 1e-3 * total.abs().max(1.0);
                    assert!(
                        (found - expected).abs() < 1e-4 * scale,
                        "{name} by {route:?}: {found}, {expected} by differences: {shape:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn routes_and_precisions_agree() {
    for (norm, activation) in CONSTANT.iter().flat_map(|norm| activations().map(|a| (*norm, a))) {
        for shape in [small(norm, activation), wide(norm, activation)] {
            let exact = weights(&shape, Key::new(1), DType::F64);
            let (x, v) = (images(2, &shape, 11, DType::F64), images(3, &shape, 11, DType::F64));
            let reference = TangentNet::with_route(&shape, &exact, Precision::Full, Route::Tensor).unwrap();
            let (found, expected) = reference.weight_grads(&x, &along(&v)).unwrap();
            let found = Tensor::new(found, &Device::Cpu).unwrap();
            // A random variance near zero magnifies what is rounded.
            let rounded = if norm == Norm::None { 0.15 } else { 0.5 };
            let kinds = [
                (DType::F64, Precision::Full, 1e-12),
                (DType::F32, Precision::Full, 1e-4),
                (DType::F32, Precision::Bf16, rounded),
            ];
            for (dtype, precision, bound) in kinds {
                let net = TangentNet::new(&shape, &weights(&shape, Key::new(1), dtype), precision).unwrap();
                let x = x.to_dtype(dtype).unwrap();
                let (numbers, grads) = net.weight_grads(&x, &along(&v)).unwrap();
                let numbers = Tensor::new(numbers, &Device::Cpu).unwrap();
                let what = format!("{dtype:?} {precision:?}: {shape:?}");
                assert!(distance(&numbers, &found) < bound, "{what}");
                for ((name, grad), (_, expected)) in named(&grads).iter().zip(named(&expected)) {
                    assert_eq!(grad.dtype(), dtype);
                    let gap = distance(grad, &expected);
                    assert!(gap < bound, "{name}: {gap}, {what}");
                }
            }
        }
    }
}

#[test]
fn contributors_together_have_the_bits_of_the_whole_batch() {
    for precision in [Precision::Full, Precision::Bf16] {
        let shape = wide(Norm::None, Activation::Silu);
        let net = TangentNet::new(&shape, &weights(&shape, Key::new(1), DType::F32), precision).unwrap();
        for n in [1, 9, 40] {
            let (x, v) = (images(2, &shape, n, DType::F32), images(3, &shape, n, DType::F32));
            let (whole, expected) = net.weight_grads(&x, &along(&v)).unwrap();
            for size in [1, 2, 3, 8] {
                let (mut numbers, mut lanes) = (vec![], vec![]);
                for part in (0..size).map(|rank| Part::share(rank, size, n)).filter(|part| !part.is_empty()) {
                    let x = x.narrow(0, part.start, part.len()).unwrap();
                    let whole = Part { first: part.start, of: n };
                    let (found, sums) = net.weight_sums(&x, whole, &along(&v)).unwrap();
                    numbers.extend(found);
                    lanes.extend(sums);
                }
                let add = |a: Vec<Tensor>, b: Vec<Tensor>| {
                    a.iter().zip(&b).map(|(a, b)| (a + b).unwrap()).collect()
                };
                let grads = net.finish_weight_sums(lanes.into_iter().reduce(add).unwrap()).unwrap();
                assert_eq!(numbers, whole);
                for ((name, grad), (_, expected)) in named(&grads).iter().zip(named(&expected)) {
                    assert_eq!(flat(grad), flat(&expected), "{name} of {n} by {size} in {precision:?}");
                }
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let shape = wide(Norm::None, Activation::Silu);
    let net = TangentNet::new(&shape, &weights(&shape, Key::new(1), DType::F32), Precision::Bf16).unwrap();
    let (x, v) = (images(2, &shape, 21, DType::F32), images(3, &shape, 21, DType::F32));
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (found, grads) = pool.install(|| net.weight_grads(&x, &along(&v))).unwrap();
        (found, named(&grads).iter().map(|(_, grad)| flat(grad)).collect::<Vec<_>>())
    };
    assert_eq!(bits(1), bits(2));
    assert_eq!(bits(1), bits(5));
}

#[test]
fn a_head_alone_is_its_own_gradient() {
    let shape = ScoreShape { channels: 3, side: 2, layers: vec![] };
    let weights = weights(&shape, Key::new(1), DType::F64);
    let (x, v) = (images(2, &shape, 4, DType::F64), images(3, &shape, 4, DType::F64));
    let net = TangentNet::new(&shape, &weights, Precision::Full).unwrap();
    let (_, grads) = net.weight_grads(&x, &along(&v)).unwrap();
    assert!(distance(&grads.head, &v.flatten_from(1).unwrap().sum(0).unwrap()) < 1e-14);
    assert_eq!(flat(&grads.head_bias), [0.0]);
}

#[test]
fn norms_of_what_they_normalise_are_refused() {
    for norm in [Norm::Batch { eps: EPS }, Norm::Group { groups: 2, eps: EPS }] {
        let shape = small(norm, Activation::Silu);
        let net = TangentNet::new(&shape, &weights(&shape, Key::new(1), DType::F32), Precision::Full);
        assert!(matches!(net, Err(Error::Normalises { layer: 0 })));
    }
}
