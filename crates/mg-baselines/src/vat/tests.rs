use super::*;
use crate::classifier_net::Form;
use crate::few_labels::one_hot;
use crate::golden::{Golden, ramp, set_all};

fn config(side: usize, net: Form, width: usize) -> VatConfig {
    let labels = LabelKeys { labels: 4, labelled_batch: 4, supervised: false };
    VatConfig {
        model: ClassifierKeys { side, net, width, layers: 2, dropout: 0.0, precision: PrecisionKind::F32 },
        learn: LearnKeys {
            labels,
            rate: 1e-3,
            beta1: 0.9,
            late_beta1: 0.5,
            beta2: 0.999,
            falls_after: 10,
            falls_for: 20,
            distance: 1.5,
            probe: 1.0,
            powers: 1,
            smoothness: 0.7,
            entropy: 0.3,
        },
        guard: LossGuard { max_loss: 1e6 },
    }
}

fn update(config: &VatConfig, golden: &Golden) {
    let mut net = config.net(3, Key::new(0), &Device::Cpu).unwrap();
    let parts = config.model.parts(3);
    set_all(&mut net, &parts);
    let side = config.model.side;
    let images = |n: usize, phase| {
        Tensor::from_vec(ramp(n * 3 * side * side, phase, 0.9), (n, 3, side, side), &Device::Cpu).unwrap()
    };
    let labels = one_hot(&[0, 1, 2, 1], 3, &Device::Cpu).unwrap();
    let others = Some((&images(6, 5.0), &images(6, 6.5)));
    let schedule = config.learn.schedule(0);
    let report = config.update(&mut net, (&images(4, 3.0), &labels), others, schedule, Key::new(1)).unwrap();
    for name in ["cross_entropy", "roughness", "entropy"] {
        golden.number(name, report.values[name]);
    }
    golden.all(&mut net, &parts);
}

#[test]
fn an_update_of_a_fully_connected_net_is_pytorch_s() {
    update(&config(8, Form::FullyConnected, 8), &Golden::read(include_str!("../../golden/vat.json")));
}

#[test]
fn an_update_of_a_convolutional_net_is_pytorch_s() {
    update(&config(12, Form::Convolutional, 4), &Golden::read(include_str!("../../golden/vat-conv.json")));
}

#[test]
fn the_step_size_falls_evenly_to_nothing() {
    let learn = config(8, Form::FullyConnected, 8).learn;
    let at = |t| learn.schedule(t).0;
    assert_eq!([at(0), at(10), at(20), at(30), at(1000)], [1e-3, 1e-3, 5e-4, 0.0, 0.0]);
    let beta1 = |t| match learn.schedule(t).1 {
        Rule::Adam { beta1, .. } => beta1,
        _ => f64::NAN,
    };
    assert_eq!([beta1(10), beta1(11)], [0.9, 0.5]);
}
