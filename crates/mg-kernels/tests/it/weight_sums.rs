//! Parts of a batch make the weight gradients of the whole.

use crate::common::{activations, distance, flat, named, normal, small, weights, wide};
use candle_core::{DType, Tensor};
use mg_kernels::{Error, Norm, Part, Precision, Route, ScoreNet, ScoreShape, ScoreWeights};
use mg_random::Key;

const EPS: f64 = 1e-5;
const UNCOUPLED: [Norm; 3] = [Norm::None, Norm::Group { groups: 2, eps: EPS }, Norm::Fixed { eps: EPS }];
const NUMBERS: [(DType, Precision); 3] =
    [(DType::F32, Precision::Full), (DType::F64, Precision::Full), (DType::F32, Precision::Bf16)];

fn coefficient(i: usize, f: f64) -> f64 {
    0.3 + i as f64 - 0.1 * f
}

fn images(shape: &ScoreShape, n: usize, dtype: DType) -> Tensor {
    normal(Key::new(2), &[n, shape.channels, shape.side, shape.side], dtype)
}

/// Scores and gradients of `x` by `size` contributors.
fn shared(net: &ScoreNet, x: &Tensor, size: usize) -> (Vec<f64>, ScoreWeights) {
    let n = x.dim(0).unwrap();
    let (mut scores, mut lanes) = (vec![], vec![]);
    for images in (0..size).map(|rank| Part::share(rank, size, n)).filter(|images| !images.is_empty()) {
        let part = Part { first: images.start, of: n };
        let x = x.narrow(0, images.start, images.len()).unwrap();
        let (f, sums) = net.score_and_weight_sums(&x, part, &coefficient).unwrap();
        scores.extend(flat(&f));
        lanes.extend(sums);
    }
    assert_eq!(lanes.len(), if net.route() == Route::Fused { n.min(8) } else { n.min(size) });
    let add = |a: Vec<Tensor>, b: Vec<Tensor>| a.iter().zip(&b).map(|(a, b)| (a + b).unwrap()).collect();
    let total = lanes.into_iter().reduce(add).unwrap();
    (scores, net.finish_weight_sums(total).unwrap())
}

#[test]
fn contributors_together_have_the_bits_of_the_whole_batch() {
    for (dtype, precision) in NUMBERS {
        let shapes = UNCOUPLED.into_iter().flat_map(|norm| {
            let [leaky, .., smooth] = activations();
            [small(norm, leaky), wide(norm, smooth)]
        });
        for shape in shapes {
            let net =
                ScoreNet::with_precision(&shape, &weights(&shape, Key::new(1), dtype), precision).unwrap();
            assert_eq!(net.route(), Route::Fused);
            for n in [1, 5, 8, 9, 32, 100] {
                let x = images(&shape, n, dtype);
                let (f, whole) = net.score_and_weight_grads(&x, &coefficient).unwrap();
                for size in [1, 2, 3, 8] {
                    let (scores, grads) = shared(&net, &x, size);
                    assert_eq!(scores, flat(&f));
                    for ((name, grad), (_, expected)) in named(&grads).iter().zip(named(&whole)) {
                        assert_eq!(grad.dims(), expected.dims());
                        assert_eq!(grad.dtype(), expected.dtype());
                        assert_eq!(flat(grad), flat(&expected), "{name} of {n} by {size}: {shape:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_do_not_change_the_bits_of_a_part() {
    for shape in UNCOUPLED.map(|norm| wide(norm, activations()[0])) {
        let net = ScoreNet::new(&shape, &weights(&shape, Key::new(1), DType::F32)).unwrap();
        let images = Part::share(1, 8, 32);
        let x = images_of(&shape, 32, images.clone());
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let part = Part { first: images.start, of: 32 };
            let (_, sums) = pool.install(|| net.score_and_weight_sums(&x, part, &coefficient)).unwrap();
            sums.concat().iter().map(flat).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(3));
    }
}

fn images_of(shape: &ScoreShape, n: usize, range: std::ops::Range<usize>) -> Tensor {
    images(shape, n, DType::F32).narrow(0, range.start, range.len()).unwrap()
}

#[test]
fn on_the_tensor_route_contributors_are_near_the_whole_batch() {
    for shape in UNCOUPLED.map(|norm| small(norm, activations()[0])) {
        let weights = weights(&shape, Key::new(1), DType::F64);
        let net = ScoreNet::with_route(&shape, &weights, Precision::Full, Route::Tensor).unwrap();
        let x = images(&shape, 9, DType::F64);
        let (_, whole) = net.score_and_weight_grads(&x, &coefficient).unwrap();
        for size in [1, 3] {
            for ((name, grad), (_, expected)) in named(&shared(&net, &x, size).1).iter().zip(named(&whole)) {
                assert!(distance(grad, &expected) < 1e-12, "{name} by {size}");
            }
        }
    }
}

#[test]
fn what_is_no_part_or_no_sum_is_an_error_that_says_so() {
    let shape = small(Norm::None, activations()[0]);
    let net = ScoreNet::new(&shape, &weights(&shape, Key::new(1), DType::F32)).unwrap();
    let x = images(&shape, 4, DType::F32);
    let sums = |first: usize| net.score_and_weight_sums(&x, Part { first, of: 20 }, &coefficient);
    assert!(sums(3).unwrap_err().to_string().contains("4 images from image 3 on, of a batch of 20"));
    assert!(sums(0).unwrap_err().to_string().contains("[0, 2, 5, 7, 10, 12, 15, 17, 20]"));

    let (_, lanes) = net.score_and_weight_sums(&x, Part { first: 0, of: 4 }, &coefficient).unwrap();
    let mut total = lanes[0].clone();
    total.swap(0, 1);
    assert!(matches!(net.finish_weight_sums(total), Err(Error::Shape { .. })));
    let single = lanes[0].iter().map(|sum| sum.to_dtype(DType::F32).unwrap()).collect();
    assert!(matches!(net.finish_weight_sums(single), Err(Error::DType { .. })));
    let short = net.finish_weight_sums(lanes[0][1..].to_vec());
    assert!(matches!(short, Err(Error::WeightSums { found: 7, expected: 8 })));

    let coupled = small(Norm::Batch { eps: EPS }, activations()[0]);
    let net = ScoreNet::new(&coupled, &weights(&coupled, Key::new(1), DType::F32)).unwrap();
    let refused = net.score_and_weight_sums(&x, Part { first: 0, of: 4 }, &coefficient).unwrap_err();
    assert!(refused.to_string().contains("layer 0 normalises over the whole batch"), "{refused}");
    assert!(matches!(net.finish_weight_sums(lanes[0].clone()), Err(Error::Coupled { layer: 0 })));
}
