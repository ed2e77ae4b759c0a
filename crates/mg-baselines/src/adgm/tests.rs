use super::*;
use crate::coding::Coding;
use crate::few_labels::one_hot;
use crate::golden::{Golden, rows, set_all};

fn config() -> AdgmConfig {
    let labels = LabelKeys { labels: 4, labelled_batch: 4, supervised: false };
    AdgmConfig {
        model: ModelKeys {
            coding: CodingKeys::of_normal_rows(),
            latent: 5,
            auxiliary: 4,
            width: 8,
            layers: 2,
            precision: PrecisionKind::F32,
        },
        learn: LearnKeys {
            labels,
            rate: 3e-4,
            decay: 0.75,
            decay_passes: 200.0,
            least_rate: 3e-5,
            beta1: 0.9,
            beta2: 0.999,
            samples: 2,
            classification: 0.1,
            prior: 1.0,
            max_norm: 5.0,
            max_gradient: 1.0,
        },
        guard: LossGuard { max_loss: 1e6 },
    }
}

#[test]
fn an_update_is_pytorch_s() {
    let (config, golden) = (config(), Golden::read(include_str!("../../golden/adgm.json")));
    let mut nets = config.nets(3, 40, Key::new(0), &Device::Cpu).unwrap();
    let shapes = config.model.shapes(3);
    set_all(&mut nets, &shapes);
    let y = one_hot(&[0, 1, 2, 1], 3, &Device::Cpu).unwrap();
    let labelled = (&rows(4, 12, 3.0), &y, &Noise([rows(8, 4, 7.0), rows(8, 5, 9.0)]));
    let others = Some((&rows(6, 12, 5.0), &Noise([rows(12, 4, 11.0), rows(36, 5, 13.0)])));
    let (learning, mut report) = (nets.learning().unwrap(), Report::default());
    let coding = Coding::of_rows(&config.model.coding);
    let mut pass = Pass { set: &mut nets, nets: &learning, coding: &coding, images_per_label: 10.0 };
    let loss = config.loss(&mut pass, labelled, others, &mut report).unwrap();
    for name in ["cross_entropy", "labelled_bound", "bound"] {
        golden.number(name, report.values[name]);
    }
    let gradient = limited(&nets.gradient(&loss).unwrap(), 5.0, 1.0).unwrap();
    nets.step(&gradient, config.rate(0.0)).unwrap();
    golden.all(&mut nets, &shapes);
}

#[test]
fn the_step_size_falls_every_200_passes_down_to_a_least_one() {
    let config = config();
    let rates = [0.0, 199.0, 200.0, 400.0, 5000.0].map(|passes| config.rate(passes));
    for (found, expected) in rates.iter().zip([3e-4, 3e-4, 2.25e-4, 1.6875e-4, 3e-5]) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}
