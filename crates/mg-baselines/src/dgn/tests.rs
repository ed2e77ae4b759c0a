use super::*;
use crate::coding::Coding;
use crate::few_labels::one_hot;
use crate::golden::{Golden, rows, set_all};

#[test]
fn an_update_is_pytorch_s() {
    let labels = LabelKeys { labels: 4, labelled_batch: 4, supervised: false };
    let config = DgnConfig {
        model: ModelKeys {
            coding: CodingKeys::of_normal_rows(),
            features: 5,
            latent: 3,
            width: 8,
            layers: 2,
            first_initial: 1e-2,
            initial: 1e-3,
            precision: PrecisionKind::F32,
        },
        learn: LearnKeys { labels, rate: 3e-4, beta1: 0.9, beta2: 0.999, classification: 0.1 },
        guard: LossGuard { max_loss: 1e6 },
    };
    let golden = Golden::read(include_str!("../../golden/dgn.json"));
    let mut nets = config.nets(3, Key::new(0), &Device::Cpu).unwrap();
    let shapes = config.model.shapes(3);
    set_all(&mut nets, &shapes);
    let y = one_hot(&[0, 1, 2, 1], 3, &Device::Cpu).unwrap();
    let labelled = (&rows(4, 12, 3.0), &y, &Noise([rows(4, 5, 7.0), rows(4, 3, 9.0)]));
    let others = Some((&rows(6, 12, 5.0), &Noise([rows(6, 5, 11.0), rows(18, 3, 13.0)])));
    let (learning, mut report) = (nets.learning().unwrap(), Report::default());
    let coding = Coding::of_rows(&config.model.coding);
    let mut pass = Pass { set: &mut nets, nets: &learning, coding: &coding, images_per_label: 10.0 };
    let loss = config.loss(&mut pass, labelled, others, &mut report).unwrap();
    for name in ["cross_entropy", "first_bound", "labelled_bound", "bound"] {
        golden.number(name, report.values[name]);
    }
    let gradient = nets.gradient(&loss).unwrap();
    nets.step(&gradient, 3e-4).unwrap();
    golden.all(&mut nets, &shapes);
}
