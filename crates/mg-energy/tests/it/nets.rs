//! Claims about whole nets: sizes, initialisation, gradients, statistics.

use candle_core::{DType, Device, Tensor};
use mg_energy::{
    Activation, ConvNet, ConvSpec, Energy, EnergyNet, Error, NetSpec, Norm, Padding, Params, Reference,
};
use mg_random::Key;

const CPU: &Device = &Device::Cpu;

fn images(n: usize, side: usize, key: u64) -> Tensor {
    let mut values = vec![0f32; n * 3 * side * side];
    Key::new(key).fill_uniform(&mut values);
    let x = Tensor::from_vec(values, (n, 3, side, side), CPU).unwrap();
    x.affine(2.0, -1.0).unwrap().to_dtype(DType::F64).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

fn small(norm: Norm, activation: Activation) -> NetSpec {
    NetSpec { norm, activation, ..NetSpec::paper(16).scaled(0.08) }
}

fn perturbed(spec: &NetSpec) -> Params {
    // Biases and scales that are neither 0 nor 1, so that no gradient is right by accident.
    let params = Params::init(spec, Key::new(1), DType::F64, CPU).unwrap();
    params
        .map(|name, t| {
            let mut noise = vec![0f32; t.elem_count()];
            Key::new(2).named(name).fill_normal(&mut noise);
            let noise = Tensor::from_vec(noise, t.shape(), CPU)?.to_dtype(DType::F64)?;
            t + (noise * 0.1)?
        })
        .unwrap()
}

/// All ways to evaluate a net of this spec.
fn net(spec: &NetSpec, params: &Params) -> ConvNet {
    match spec.norm.needs_statistics() {
        true => {
            let statistics = ConvNet::statistics(spec, params, &images(6, spec.side, 9)).unwrap();
            ConvNet::with_statistics(spec, params, &statistics).unwrap()
        }
        false => ConvNet::new(spec, params).unwrap(),
    }
}

const NORMS: [Norm; 5] = [Norm::None, Norm::Batch, Norm::Observed, Norm::Frozen, Norm::Group { groups: 4 }];
const ACTIVATIONS: [Activation; 3] =
    [Activation::LeakyRelu { slope: 0.2 }, Activation::Relu, Activation::Silu];

#[test]
fn parameter_counts_are_the_paper_s() {
    let count = |spec: NetSpec| Params::init(&spec, Key::new(0), DType::F32, CPU).unwrap().count();
    assert_eq!(count(NetSpec::paper(4)), 415_169);
    assert_eq!(count(NetSpec::paper(16)), 1_628_097);
    assert_eq!(count(NetSpec::paper(64)), 479_681);
    assert_eq!(count(NetSpec::dcgan(64)), 4_316_673);
}

#[test]
fn padding_two_gives_the_maps_of_table_3() {
    // Its third map, also of the 16x16 grid's four.
    let third =
        |side| NetSpec { padding: Padding::Pixels(2), ..NetSpec::paper(side) }.map_sides().unwrap()[2];
    assert_eq!([4, 16, 64].map(third), [6, 12, 19]);
    assert_eq!(64 * (6 * 6 + 12 * 12 + 19 * 19), 34_624);
}

#[test]
fn the_largest_map_may_be_any_layers_or_the_image_itself() {
    let of = |layers| NetSpec { layers, ..NetSpec::paper(64) }.largest_map().unwrap();
    let conv = |channels, stride| ConvSpec { channels, kernel: 3, stride };
    assert_eq!(of(vec![conv(8, 1), conv(64, 2)]), 64 * 32 * 32);
    assert_eq!(of(vec![conv(8, 1), conv(16, 2)]), 8 * 64 * 64);
    assert_eq!(of(vec![conv(8, 2)]), 3 * 64 * 64);
}

#[test]
fn both_paddings_called_same_give_the_same_maps() {
    for side in [4, 8, 16, 32, 64] {
        let of = |padding| NetSpec { padding, ..NetSpec::paper(side) }.map_sides().unwrap();
        assert_eq!(of(Padding::Same), of(Padding::SameTensorflow));
    }
    let conv =
        NetSpec { padding: Padding::SameTensorflow, ..NetSpec::paper(64) }.shape().unwrap().layers[0].conv;
    assert_eq!((conv.pad_before, conv.pad_after), (1, 2));
}

#[test]
fn initial_parameters_depend_on_seed_and_name_only() {
    let init = |spec: &NetSpec, seed| Params::init(spec, Key::new(seed), DType::F32, CPU).unwrap();
    let (three, four) = (init(&NetSpec::paper(4), 5), init(&NetSpec::paper(16), 5));
    let get = |params: &Params, name| numbers(params.get(name).unwrap());
    assert_eq!(get(&three, "conv3.weight"), get(&four, "conv3.weight"));
    assert_ne!(get(&three, "conv1.weight"), get(&init(&NetSpec::paper(4), 6), "conv1.weight"));
    let weights = get(&three, "conv2.weight");
    let bound = (6.0f64 / ((96 + 128) * 9) as f64).sqrt();
    assert!(weights.iter().all(|w| w.abs() <= bound));
    let variance = weights.iter().map(|w| w * w).sum::<f64>() / weights.len() as f64;
    assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.02);
    assert!(get(&three, "conv2.bias").iter().all(|&b| b == 0.0));
    assert!(get(&three, "norm2.weight").iter().all(|&g| g == 1.0));
}

#[test]
fn input_gradients_agree_with_finite_differences() {
    for norm in NORMS {
        for activation in ACTIVATIONS {
            let spec = small(norm, activation);
            let net = net(&spec, &perturbed(&spec));
            for reference in [Reference::Uniform, Reference::Gaussian { sigma: 0.4 }] {
                let energy = EnergyNet::new(ConvNet::clone(&net), reference);
                check_input_gradient(&energy, &images(3, spec.side, 3), &format!("{norm:?} {activation:?}"));
            }
        }
    }
}

fn check_input_gradient(energy: &EnergyNet, x: &Tensor, what: &str) {
    let at = energy.value_and_grad(x).unwrap();
    let plain = numbers(&energy.energy(x).unwrap());
    for (a, b) in numbers(&at.energy).iter().zip(&plain) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{what}: {a} and {b}");
    }
    let direction = images(3, x.dims()[2], 77);
    let h = 1e-6;
    let total = |t: f64| {
        numbers(&energy.energy(&(x + (&direction * t).unwrap()).unwrap()).unwrap()).iter().sum::<f64>()
    };
    let numeric = (total(h) - total(-h)) / (2.0 * h);
    let exact: f64 = numbers(&(at.grad * direction).unwrap()).iter().sum();
    assert!((numeric - exact).abs() < 2e-6 * exact.abs().max(1.0), "{what}: {numeric} and {exact}");
}

#[test]
fn parameter_gradients_agree_with_finite_differences() {
    for norm in NORMS {
        for activation in ACTIVATIONS {
            let spec = small(norm, activation);
            let params = perturbed(&spec);
            let x = images(3, spec.side, 4);
            let weight = |i: usize| [0.7, -1.1, 0.2][i];
            let fixed = ConvNet::statistics(&spec, &params, &images(6, spec.side, 9)).unwrap();
            let build = |params: &Params| match norm.needs_statistics() {
                true => ConvNet::with_statistics(&spec, params, &fixed).unwrap(),
                false => ConvNet::new(&spec, params).unwrap(),
            };
            let scored = build(&params).score_and_param_grads(&x, &|i, _| weight(i)).unwrap();
            let total = |params: &Params| {
                let f = numbers(&build(params).score(&x).unwrap());
                f.iter().enumerate().map(|(i, f)| weight(i) * f).sum::<f64>()
            };
            for (name, grad) in scored.grads.iter() {
                let mut direction = vec![0f32; grad.elem_count()];
                Key::new(6).named(name).fill_normal(&mut direction);
                let direction =
                    Tensor::from_vec(direction, grad.shape(), CPU).unwrap().to_dtype(DType::F64).unwrap();
                let moved = |t: f64| {
                    params.map(|n, p| if n == name { p + (&direction * t)? } else { Ok(p.clone()) }).unwrap()
                };
                let h = 1e-8; // few kinks of the rectifiers lie within
                let numeric = (total(&moved(h)) - total(&moved(-h))) / (2.0 * h);
                let exact: f64 = numbers(&(grad * &direction).unwrap()).iter().sum();
                let error = (numeric - exact).abs();
                assert!(
                    error < 1e-5 * exact.abs().max(1.0),
                    "{norm:?} {activation:?} {name}: {numeric} and {exact}"
                );
            }
        }
    }
}

#[test]
fn gradients_come_in_the_form_of_the_parameters() {
    for norm in NORMS {
        let spec = small(norm, ACTIVATIONS[0]);
        let params = perturbed(&spec);
        let grads = net(&spec, &params).score_and_param_grads(&images(2, 16, 0), &|_, _| 1.0).unwrap().grads;
        let form = |p: &Params| p.iter().map(|(n, t)| (n.to_string(), t.dims().to_vec())).collect::<Vec<_>>();
        assert_eq!(form(&params), form(&grads));
    }
}

#[test]
fn chains_are_independent_unless_batch_statistics_couple_them() {
    for norm in NORMS {
        let spec = small(norm, ACTIVATIONS[0]);
        let net = net(&spec, &perturbed(&spec));
        let x = images(4, 16, 5);
        let together = numbers(&net.score(&x).unwrap())[1];
        let alone = numbers(&net.score(&x.narrow(0, 1, 1).unwrap()).unwrap())[0];
        let same = (together - alone).abs() < 1e-9 * alone.abs().max(1.0);
        assert_eq!(same, norm != Norm::Batch, "{norm:?}: {together} and {alone}");
    }
}

#[test]
fn with_the_statistics_of_its_own_batch_a_net_scores_as_with_batch_statistics() {
    let spec = small(Norm::Batch, ACTIVATIONS[0]);
    let (params, x) = (perturbed(&spec), images(5, 16, 8));
    let statistics = ConvNet::statistics(&spec, &params, &x).unwrap();
    let frozen = ConvNet::with_statistics(&spec, &params, &statistics).unwrap().score(&x).unwrap();
    let batch = ConvNet::new(&spec, &params).unwrap().score(&x).unwrap();
    for (a, b) in numbers(&frozen).iter().zip(numbers(&batch)) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0));
    }
}

#[test]
fn features_are_the_maps_of_their_layer() {
    let spec = small(Norm::None, Activation::Relu);
    let net = net(&spec, &perturbed(&spec));
    for (layer, &side) in spec.map_sides().unwrap().iter().enumerate() {
        let maps = net.features(&images(2, 16, 1), layer).unwrap();
        assert_eq!(maps.dims(), [2, spec.layers[layer].channels, side, side]);
        assert!(numbers(&maps).iter().all(|&v| v >= 0.0));
    }
    assert!(net.features(&images(2, 16, 1), spec.layers.len()).is_err());
    let all = net.all_features(&images(2, 16, 1)).unwrap();
    assert_eq!(all.len(), spec.layers.len());
    assert_eq!(numbers(&all[1]), numbers(&net.features(&images(2, 16, 1), 1).unwrap()));
}

#[test]
fn misfits_are_errors_that_say_what_does_not_fit() {
    let spec = NetSpec::paper(16);
    let params = Params::init(&NetSpec::paper(4), Key::new(0), DType::F32, CPU).unwrap();
    let tensors = params.iter().map(|(n, t)| (n.to_string(), t.clone())).collect();
    let message = Params::from_tensors(&spec, &tensors).unwrap_err().to_string();
    assert!(message.contains("conv4.weight") && message.contains("[512, 256, 3, 3]"), "{message}");
    let no_padding = NetSpec { padding: Padding::Pixels(0), ..NetSpec::paper(4) };
    assert!(matches!(no_padding.shape(), Err(Error::LayerDoesNotFit { layer: 1, .. })));
    assert!(matches!(NetSpec { layers: vec![], ..spec.clone() }.shape(), Err(Error::Spec(_))));
    let frozen = NetSpec { norm: Norm::Frozen, ..spec.clone() };
    let params = Params::init(&frozen, Key::new(0), DType::F32, CPU).unwrap();
    assert!(matches!(ConvNet::new(&frozen, &params), Err(Error::NoStatistics { .. })));
    let other_side = Tensor::zeros((1, 3, 20, 20), DType::F32, CPU).unwrap();
    assert!(
        ConvNet::new(&spec, &Params::init(&spec, Key::new(0), DType::F32, CPU).unwrap())
            .unwrap()
            .score(&other_side)
            .is_err()
    );
}
