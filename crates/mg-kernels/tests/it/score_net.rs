//! Networks: the fused engine against finite differences, the tensor route and candle's autograd.

use crate::common::{activations, distance, flat, named, normal, norms, small, weights, wide, with_named};
use candle_core::{DType, Device, Tensor, Var};
use mg_kernels::{Activation, Error, Norm, Precision, Route, ScoreNet, ScoreShape, ScoreWeights, conv2d};
use mg_random::Key;

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };
const N: usize = 5;
const PRECISIONS: [Precision; 2] = [Precision::Full, Precision::Bf16];

/// Every norm and activation with weights and images, in f64.
fn each(mut claim: impl FnMut(&ScoreShape, &ScoreWeights, &Tensor)) {
    for norm in norms() {
        for activation in activations() {
            for shape in [small(norm, activation), wide(norm, activation)] {
                println!("{shape:?}");
                claim(&shape, &weights(&shape, Key::new(1), DType::F64), &images(&shape, N, DType::F64));
            }
        }
    }
}

fn images(shape: &ScoreShape, n: usize, dtype: DType) -> Tensor {
    normal(Key::new(2), &[n, shape.channels, shape.side, shape.side], dtype)
}

fn to_f32(weights: &ScoreWeights) -> ScoreWeights {
    let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let pair = |p: &Option<(Tensor, Tensor)>| p.as_ref().map(|(a, b)| (single(a), single(b)));
    let layers = weights.layers.iter().map(|w| mg_kernels::LayerWeights {
        weight: single(&w.weight),
        bias: single(&w.bias),
        affine: pair(&w.affine),
        statistics: pair(&w.statistics),
    });
    let layers = layers.collect();
    ScoreWeights { layers, head: single(&weights.head), head_bias: single(&weights.head_bias) }
}

fn coefficient(i: usize, f: f64) -> f64 {
    0.3 + i as f64 - 0.1 * f
}

/// `(change of sum_i c_i f_i) / 2 e` when something moves by `+-e`.
fn slope(activation: Activation, c: &[f64], score: impl Fn(f64) -> Tensor) -> f64 {
    let e = match activation {
        Activation::LeakyRelu { .. } => 1e-7, // small enough that hardly any unit crosses its kink
        _ => 1e-6,
    };
    let sum = |f: Tensor| flat(&f).iter().zip(c).map(|(f, c)| f * c).sum::<f64>();
    (sum(score(e)) - sum(score(-e))) / (2.0 * e)
}

#[test]
fn gradients_are_finite_differences() {
    each(|shape, weights, x| {
        let activation = shape.layers[0].activation;
        for route in [Route::Fused, Route::Tensor] {
            let net = ScoreNet::with_route(shape, weights, Precision::Full, route).unwrap();
            let direction = normal(Key::new(3), x.dims(), DType::F64);
            let expected = slope(activation, &[1.0; N], |e| {
                net.score(&(x + (&direction * e).unwrap()).unwrap()).unwrap()
            });
            let found = crate::common::dot(&net.score_and_grad(x).unwrap().1, &direction);
            assert!(
                (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{route:?} x: {found} {expected}"
            );

            let (f, grads) = net.score_and_weight_grads(x, &coefficient).unwrap();
            let c: Vec<f64> = flat(&f).iter().enumerate().map(|(i, f)| coefficient(i, *f)).collect();
            for (i, ((name, weight), (_, grad))) in named(weights).iter().zip(named(&grads)).enumerate() {
                let direction = normal(Key::new(4).fold(i as u64), weight.dims(), DType::F64);
                let expected = slope(activation, &c, |e| {
                    let moved = (weight + (&direction * e).unwrap()).unwrap();
                    let moved = with_named(weights, i, moved);
                    ScoreNet::with_route(shape, &moved, Precision::Full, route).unwrap().score(x).unwrap()
                });
                let found = crate::common::dot(&grad, &direction);
                let gap = (found - expected).abs();
                assert!(gap < 1e-6 * (1.0 + expected.abs()), "{route:?} {name}: {found} {expected}");
            }
        }
    });
}

#[test]
fn the_fused_engine_equals_the_tensor_route() {
    each(|shape, weights, x| {
        let fused = ScoreNet::with_route(shape, weights, Precision::Full, Route::Fused).unwrap();
        let tensor = ScoreNet::with_route(shape, weights, Precision::Full, Route::Tensor).unwrap();
        assert_eq!((fused.route(), tensor.route()), (Route::Fused, Route::Tensor));
        assert!(distance(&fused.score(x).unwrap(), &tensor.score(x).unwrap()) < 1e-12);
        let ((f, dx), (f_tensor, dx_tensor)) =
            (fused.score_and_grad(x).unwrap(), tensor.score_and_grad(x).unwrap());
        assert!(distance(&f, &f_tensor) < 1e-12 && distance(&dx, &dx_tensor) < 1e-11);
        let (f, grads) = fused.score_and_weight_grads(x, &coefficient).unwrap();
        let (f_tensor, grads_tensor) = tensor.score_and_weight_grads(x, &coefficient).unwrap();
        assert!(distance(&f, &f_tensor) < 1e-12);
        for ((name, grad), (_, expected)) in named(&grads).iter().zip(named(&grads_tensor)) {
            // A bias before a batch norm has gradient zero: only rounding is left.
            let zero = flat(&expected).iter().all(|v| v.abs() < 1e-12);
            assert!(zero || distance(grad, &expected) < 1e-10, "{name}");
        }
        for layer in 0..shape.layers.len() {
            let (a, b) = (fused.features(x, layer).unwrap(), tensor.features(x, layer).unwrap());
            assert!(distance(&a, &b) < 1e-12, "features {layer}");
        }
        let all = [&fused, &tensor].map(|net| net.all_features(x).unwrap());
        for layer in 0..shape.layers.len() {
            for (all, net) in all.iter().zip([&fused, &tensor]) {
                assert_eq!(flat(&all[layer]), flat(&net.features(x, layer).unwrap()), "features {layer}");
            }
        }
        assert!(all.iter().all(|all| all.len() == shape.layers.len()));
        for ((mean, variance), (m, v)) in
            fused.statistics(x).unwrap().iter().zip(tensor.statistics(x).unwrap())
        {
            assert!(distance(mean, &m) < 1e-12 && distance(variance, &v) < 1e-12);
        }
    });
}

#[test]
fn bf16_is_near_f32_on_both_routes() {
    let shapes = norms().into_iter().flat_map(|norm| [small(norm, LEAKY), wide(norm, LEAKY)]);
    for shape in shapes {
        let (weights, x) = (weights(&shape, Key::new(1), DType::F32), images(&shape, 9, DType::F32));
        let single = ScoreNet::new(&shape, &weights).unwrap();
        for route in [Route::Fused, Route::Tensor] {
            let half = ScoreNet::with_route(&shape, &weights, Precision::Bf16, route).unwrap();
            assert_eq!(half.route(), route);
            for layer in 0..shape.layers.len() {
                let gap = distance(&half.features(&x, layer).unwrap(), &single.features(&x, layer).unwrap());
                assert!(gap < 0.02, "{route:?} layer {layer}: {gap} {shape:?}");
            }
            let (_, grads) = half.score_and_weight_grads(&x, &|_, _| 1.0).unwrap();
            let (_, expected) = single.score_and_weight_grads(&x, &|_, _| 1.0).unwrap();
            let gap = distance(&grads.head, &expected.head);
            assert!(gap < 0.03, "{route:?} head: {gap} {shape:?}");
            assert_eq!(half.score_and_grad(&x).unwrap().1.dtype(), DType::F32);
        }
    }
    let shape = small(Norm::None, LEAKY);
    let double = weights(&shape, Key::new(1), DType::F64);
    let refused = ScoreNet::with_precision(&shape, &double, Precision::Bf16).unwrap_err();
    assert!(refused.to_string().contains("bf16"), "{refused}");
}

#[test]
fn a_gradient_may_be_scaled_at_no_cost() {
    for norm in norms() {
        let shape = small(norm, LEAKY);
        let (weights, x) = (weights(&shape, Key::new(1), DType::F64), images(&shape, N, DType::F64));
        for route in [Route::Fused, Route::Tensor] {
            let net = ScoreNet::with_route(&shape, &weights, Precision::Full, route).unwrap();
            let ((f, dx), (g, scaled)) =
                (net.score_and_grad(&x).unwrap(), net.score_and_scaled_grad(&x, -0.5).unwrap());
            assert_eq!(flat(&f), flat(&g));
            assert!(distance(&(dx * -0.5).unwrap(), &scaled) < 1e-13);
        }
    }
}

#[test]
fn the_gradient_equals_candles_autograd() {
    for activation in activations() {
        let shape = small(Norm::None, activation);
        let weights = weights(&shape, Key::new(1), DType::F64);
        let x = Var::from_tensor(&images(&shape, N, DType::F64)).unwrap();
        let mut map = x.as_tensor().clone();
        for (layer, w) in shape.layers.iter().zip(&weights.layers) {
            let bias = w.bias.reshape((1, w.bias.dim(0).unwrap(), 1, 1)).unwrap();
            map = conv2d(&map, &w.weight, &layer.conv).unwrap().broadcast_add(&bias).unwrap();
            map = match activation {
                Activation::LeakyRelu { slope } => {
                    let negative = (map.neg().unwrap().relu().unwrap() * -slope).unwrap();
                    (map.relu().unwrap() + negative).unwrap()
                }
                Activation::Silu => map.silu().unwrap(),
                Activation::Tanh => map.tanh().unwrap(),
                Activation::Softplus => (map.exp().unwrap() + 1.0).unwrap().log().unwrap(),
            };
        }
        let f = map.flatten_from(1).unwrap().matmul(&weights.head.unsqueeze(1).unwrap()).unwrap();
        let grads = f.sum_all().unwrap().backward().unwrap();
        let (_, dx) = ScoreNet::new(&shape, &weights).unwrap().score_and_grad(x.as_tensor()).unwrap();
        assert!(distance(&dx, grads.get(&x).unwrap()) < 1e-12, "{activation:?}");
    }
}

#[test]
fn f32_is_close_to_f64() {
    each(|shape, weights, x| {
        let (double, single) = (ScoreNet::new(shape, weights).unwrap(), to_f32(weights));
        let single = ScoreNet::new(shape, &single).unwrap();
        let x32 = x.to_dtype(DType::F32).unwrap();
        let ((f, dx), (f32, dx32)) =
            (double.score_and_grad(x).unwrap(), single.score_and_grad(&x32).unwrap());
        assert!(distance(&f32, &f) < 1e-5, "f: {}", distance(&f32, &f));
        assert!(distance(&dx32, &dx) < 1e-5, "dx: {}", distance(&dx32, &dx));
        let (_, grads) = double.score_and_weight_grads(x, &|i, _| 1.0 + i as f64).unwrap();
        let (_, grads32) = single.score_and_weight_grads(&x32, &|i, _| 1.0 + i as f64).unwrap();
        for ((name, grad), (_, expected)) in named(&grads32).iter().zip(named(&grads)) {
            let zero = flat(&expected).iter().all(|v| v.abs() < 1e-9);
            assert!(zero || distance(grad, &expected) < 1e-5, "{name}: {}", distance(grad, &expected));
        }
    });
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let shapes = || norms().into_iter().flat_map(|norm| [small(norm, LEAKY), wide(norm, LEAKY)]);
    // Of one image, threads share the channels.
    let cases = PRECISIONS.into_iter().flat_map(|precision| [1, 37].map(|n| (precision, n)));
    for ((precision, n), shape) in cases.flat_map(|case| shapes().map(move |shape| (case, shape))) {
        let (weights, x) = (weights(&shape, Key::new(1), DType::F32), images(&shape, n, DType::F32));
        let net = ScoreNet::with_precision(&shape, &weights, precision).unwrap();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (f, dx) = net.score_and_grad(&x).unwrap();
                let (_, grads) = net.score_and_weight_grads(&x, &coefficient).unwrap();
                let mut all = vec![flat(&f), flat(&dx), flat(&net.score(&x).unwrap())];
                all.extend(named(&grads).iter().map(|(_, grad)| flat(grad)));
                all
            })
        };
        let one = run(1);
        assert!((0..3).all(|_| run(2) == one), "{precision:?} {n} {shape:?}");
    }
}

#[test]
fn an_image_scores_the_same_in_any_batch() {
    let norms = [Norm::None, Norm::Group { groups: 2, eps: 1e-5 }, Norm::Fixed { eps: 1e-5 }];
    let shapes = || norms.into_iter().flat_map(|norm| [small(norm, LEAKY), wide(norm, LEAKY)]);
    for (precision, shape) in PRECISIONS.into_iter().flat_map(|p| shapes().map(move |shape| (p, shape))) {
        let (weights, x) = (weights(&shape, Key::new(1), DType::F32), images(&shape, 37, DType::F32));
        let net = ScoreNet::with_precision(&shape, &weights, precision).unwrap();
        let (f, dx) = net.score_and_grad(&x).unwrap();
        for i in [0, 17, 36] {
            let (f1, dx1) = net.score_and_grad(&x.narrow(0, i, 1).unwrap()).unwrap();
            assert_eq!(flat(&f1), flat(&f.narrow(0, i, 1).unwrap()));
            assert_eq!(flat(&dx1), flat(&dx.narrow(0, i, 1).unwrap()));
        }
    }
}

#[test]
fn frozen_statistics_of_a_batch_score_as_the_batch_norm_does() {
    let eps = 1e-5;
    let (batch, fixed) = (small(Norm::Batch { eps }, LEAKY), small(Norm::Fixed { eps }, LEAKY));
    let (mut weights, x) = (weights(&fixed, Key::new(1), DType::F64), images(&fixed, N, DType::F64));
    let statistics = ScoreNet::new(&fixed, &weights).unwrap().statistics(&x).unwrap();
    for (layer, statistics) in weights.layers.iter_mut().zip(statistics) {
        layer.statistics = Some(statistics);
    }
    let frozen = ScoreNet::new(&fixed, &weights).unwrap().score(&x).unwrap();
    assert!(distance(&frozen, &ScoreNet::new(&batch, &weights).unwrap().score(&x).unwrap()) < 1e-12);
}

#[test]
fn later_changes_of_a_variable_do_not_reach_a_packed_network() {
    let shape = small(Norm::Fixed { eps: 1e-5 }, LEAKY);
    let (mut weights, x) = (weights(&shape, Key::new(1), DType::F64), images(&shape, N, DType::F64));
    let variable = Var::from_tensor(&weights.layers[0].weight).unwrap();
    weights.layers[0].weight = variable.as_tensor().clone();
    for route in [Route::Fused, Route::Tensor] {
        let net = ScoreNet::with_route(&shape, &weights, Precision::Full, route).unwrap();
        let results = || (flat(&net.score(&x).unwrap()), flat(&net.statistics(&x).unwrap()[1].0));
        let before = results();
        variable.set(&(variable.as_tensor() * 2.0).unwrap()).unwrap();
        assert_eq!(results(), before);
    }
}

#[test]
fn a_network_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    shared::<ScoreNet>();
}

#[test]
fn a_network_may_mix_norms_and_have_no_layer_at_all() {
    let mut shape = small(Norm::None, LEAKY);
    shape.layers[1].norm = Norm::Batch { eps: 1e-5 };
    shape.layers[2].norm = Norm::Group { groups: 3, eps: 1e-5 };
    shape.layers[2].activation = Activation::Silu;
    // Many channels in the images, so that the first layer takes Winograd's route too.
    let first = crate::common::layer(20, 33, 3, 1, Norm::None, LEAKY);
    let wide = ScoreShape { channels: 20, side: 6, layers: vec![first] };
    for shape in [shape, ScoreShape { channels: 3, side: 12, layers: vec![] }, wide] {
        let (weights, x) = (weights(&shape, Key::new(1), DType::F64), images(&shape, N, DType::F64));
        let tensor = ScoreNet::with_route(&shape, &weights, Precision::Full, Route::Tensor).unwrap();
        let net = ScoreNet::new(&shape, &weights).unwrap();
        let ((f, dx), (f2, dx2)) = (net.score_and_grad(&x).unwrap(), tensor.score_and_grad(&x).unwrap());
        assert!(distance(&f, &f2) < 1e-12 && distance(&dx, &dx2) < 1e-11);
        let (_, grads) = net.score_and_weight_grads(&x, &coefficient).unwrap();
        let (_, expected) = tensor.score_and_weight_grads(&x, &coefficient).unwrap();
        for ((name, grad), (_, expected)) in named(&grads).iter().zip(named(&expected)) {
            let zero = flat(&expected).iter().all(|v| v.abs() < 1e-12);
            assert!(zero || distance(grad, &expected) < 1e-10, "{name}");
        }
    }
}

#[test]
fn what_does_not_match_is_an_error_that_names_it() {
    let shape = small(Norm::Fixed { eps: 1e-5 }, LEAKY);
    let good = weights(&shape, Key::new(1), DType::F32);
    let message =
        |shape: &ScoreShape, weights: &ScoreWeights| ScoreNet::new(shape, weights).unwrap_err().to_string();
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();

    let bad = with_named(&good, 0, zeros(&[10, 3, 3, 3]));
    assert!(
        message(&shape, &bad).contains("layer 0: weight has shape [10, 3, 3, 3], expected [10, 3, 5, 5]")
    );
    let mut bad = good.clone();
    bad.layers[1].statistics = None;
    assert!(message(&shape, &bad).contains("layer 1"));
    bad.layers.pop();
    assert!(message(&shape, &bad).contains("2 layers for 3"));
    let mut odd = shape.clone();
    odd.layers[1].conv.c_in = 11;
    assert!(message(&odd, &good).contains("takes 11 channels, but 10 come in"));
    let mut odd = shape.clone();
    odd.layers[2].norm = Norm::Group { groups: 4, eps: 1e-5 };
    assert!(message(&odd, &good).contains("4 groups do not divide 6 channels"));
    let mut odd = shape.clone();
    odd.layers[0].activation = Activation::LeakyRelu { slope: f64::NAN };
    assert!(message(&odd, &good).contains("slope"));

    let net = ScoreNet::new(&shape, &good).unwrap();
    assert!(matches!(net.score(&zeros(&[2, 3, 11, 12])), Err(Error::Shape { .. })));
    assert!(matches!(net.score(&zeros(&[0, 3, 12, 12])), Err(Error::Shape { .. })));
    assert!(matches!(net.score(&images(&shape, 1, DType::F64)), Err(Error::DType { .. })));
    assert!(matches!(
        net.features(&images(&shape, 1, DType::F32), 3),
        Err(Error::NoSuchLayer { layer: 3, count: 3 })
    ));
    let half = good.head.to_dtype(DType::F16).unwrap();
    assert!(ScoreNet::new(&shape, &ScoreWeights { head: half, ..good.clone() }).is_err());
}
