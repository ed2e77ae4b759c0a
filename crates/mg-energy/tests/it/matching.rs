//! Claims about nets whose gradients are learned.

use candle_core::{DType, Device, Tensor};
use mg_energy::{Activation, ConvNet, Matching, NetSpec, Norm, Params, Part, Precision, Targets};
use mg_random::Key;

const CPU: &Device = &Device::Cpu;
const TIMES: [f64; 5] = [0.0, 0.2, 0.5, 0.9, 1.0];

fn spec(clock: usize) -> NetSpec {
    let activation = Activation::Silu;
    NetSpec { clock, norm: Norm::None, activation, ..NetSpec::paper(8).scaled(0.1) }
}

fn normal(key: u64, dims: &[usize]) -> Tensor {
    let mut values = vec![0f32; dims.iter().product()];
    Key::new(key).fill_normal(&mut values);
    Tensor::from_vec(values, dims, CPU).unwrap().to_dtype(DType::F64).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Errors as their definition reads.
fn errors(spec: &NetSpec, params: &Params, x: &Tensor, gradients: &Tensor) -> Vec<f64> {
    let net = ConvNet::new(spec, params).unwrap();
    let error = |(i, &t): (usize, &f64)| {
        let [x, target] = [x, gradients].map(|x| x.narrow(0, i, 1).unwrap());
        let off = numbers(&(net.at(t).score_and_grad(&x).unwrap().1 - target).unwrap());
        off.iter().map(|off| off * off).sum::<f64>() / off.len() as f64
    };
    TIMES.iter().enumerate().map(error).collect()
}

#[test]
fn errors_are_squared_distances_to_targets_and_gradients_their_slope() {
    for clock in [0, 3] {
        let spec = spec(clock);
        let params = Params::init(&spec, Key::new(1), DType::F64, CPU).unwrap();
        let (x, gradients) = (normal(2, &[5, 3, 8, 8]), normal(3, &[5, 3, 8, 8]));
        let targets = Targets { x: &x, times: &TIMES, gradients: &gradients };
        let found = Matching::new(&spec, &params).unwrap().param_grads(&targets).unwrap();
        for (found, expected) in found.errors.iter().zip(errors(&spec, &params, &x, &gradients)) {
            assert!((found - expected).abs() < 1e-10, "{found}, {expected} by definition");
        }
        let step = params.map(|name, t| normal(4, t.dims()) * (name.len() as f64)).unwrap();
        let mean = |e: f64| {
            let moved = params.zip(&step, |_, a, b| a + (b * e)?).unwrap();
            errors(&spec, &moved, &x, &gradients).iter().sum::<f64>() / 5.0
        };
        let e = 1e-6;
        let expected = (mean(e) - mean(-e)) / (2.0 * e);
        let along = found.grads.zip(&step, |_, a, b| a * b).unwrap();
        let along: f64 = along.iter().map(|(_, t)| numbers(t).iter().sum::<f64>()).sum();
        assert!((along - expected).abs() < 1e-5 * expected.abs(), "{along}, {expected} by differences");
    }
}

#[test]
fn a_clock_changes_the_score_and_time_is_shared_by_all_images() {
    let spec = spec(3);
    let params = Params::init(&spec, Key::new(1), DType::F64, CPU).unwrap();
    let net = ConvNet::new(&spec, &params).unwrap();
    let x = normal(2, &[2, 3, 8, 8]);
    let score = |net: &ConvNet| numbers(&net.score(&x).unwrap());
    assert_eq!(score(&net), score(&net.at(1.0)), "the end of paths, unless said");
    assert_ne!(score(&net), score(&net.at(0.5)));
    let alone = numbers(&net.at(0.5).score(&x.narrow(0, 1, 1).unwrap()).unwrap());
    assert_eq!(score(&net.at(0.5))[1..], alone);
    assert_eq!(net.all_features(&x).unwrap().len(), spec.layers.len());
}

#[test]
fn parts_of_a_batch_learn_what_the_whole_does() {
    let spec = NetSpec { precision: Precision::Bf16, ..spec(3) };
    let params = Params::init(&spec, Key::new(1), DType::F32, CPU).unwrap();
    let [x, gradients] = [2, 3].map(|key| normal(key, &[5, 3, 8, 8]).to_dtype(DType::F32).unwrap());
    let matching = Matching::new(&spec, &params).unwrap();
    let whole = matching.param_grads(&Targets { x: &x, times: &TIMES, gradients: &gradients }).unwrap();
    let (mut errors, mut sums) = (vec![], vec![]);
    for share in [0..2, 2..5] {
        let of = |x: &Tensor| x.narrow(0, share.start, share.len()).unwrap();
        let (x, gradients) = (of(&x), of(&gradients));
        let targets = Targets { x: &x, times: &TIMES[share.clone()], gradients: &gradients };
        let (part, lanes) = matching.param_sums(&targets, Part { first: share.start, of: 5 }).unwrap();
        errors.extend(part);
        sums.extend(lanes);
    }
    let add = |a: Vec<Tensor>, b: Vec<Tensor>| a.iter().zip(&b).map(|(a, b)| (a + b).unwrap()).collect();
    let grads = matching.finish_param_grads(sums.into_iter().reduce(add).unwrap()).unwrap();
    assert_eq!(errors, whole.errors);
    for ((name, a), (_, b)) in grads.iter().zip(whole.grads.iter()) {
        assert_eq!(numbers(a), numbers(b), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let spec = spec(3);
    let params = Params::init(&spec, Key::new(1), DType::F64, CPU).unwrap();
    let (x, gradients) = (normal(2, &[5, 3, 8, 8]), normal(3, &[5, 3, 8, 8]));
    let matching = Matching::new(&spec, &params).unwrap();
    let refused = |times: &[f64], gradients: &Tensor| {
        matching.param_grads(&Targets { x: &x, times, gradients }).unwrap_err().to_string()
    };
    assert!(refused(&TIMES[1..], &gradients).contains("4 times for 5 images"));
    assert!(refused(&TIMES, &normal(3, &[5, 3, 8, 4])).contains("[5, 3, 8, 4]"));
    let grouped = NetSpec { norm: Norm::Group { groups: 2 }, ..spec };
    let params = Params::init(&grouped, Key::new(1), DType::F64, CPU).unwrap();
    let error = Matching::new(&grouped, &params).unwrap_err().to_string();
    assert!(error.contains("Norm::None"), "{error}");
}
