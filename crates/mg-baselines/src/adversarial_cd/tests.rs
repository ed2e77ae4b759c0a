use super::*;
use crate::golden::{Golden, inputs, keys, prepare, set};

fn learn() -> LearnKeys {
    let energy_regularization = 0.01;
    let (rate, beta1, beta2, entropy) = (2e-4, 0.5, 0.999, 0.5);
    LearnKeys { rate, beta1, beta2, entropy, entropy_decay: 0.9, least_entropy: 0.1, energy_regularization }
}

#[test]
fn an_update_is_pytorch_s() {
    let golden = Golden::read(include_str!("../../golden/adversarial-cd.json"));
    let config = AdversarialCdConfig { model: keys(4), learn: learn(), guard: GameGuard::default() };
    let mut nets = config.nets(Key::new(0), &Device::Cpu).unwrap();
    prepare(&mut nets.game, f32::INFINITY);
    let shape = nets.game.keys.discriminator(2 * nets.game.keys.latent);
    set(&mut nets.inference, &shape, 200.0, f32::INFINITY);
    let (observed, z) = inputs();
    let report = nets.update(&observed, &z, 2e-4, 0.5).unwrap();
    golden.number("loss", report.values["discriminator.loss"]);
    golden.number("generator_loss", report.values["generator.loss"]);
    golden.game(&nets.game);
    golden.tensor("inference", nets.inference.parameters());
}

#[test]
fn the_entropy_weighs_less_with_every_pass() {
    let weights = [0.0, 0.99, 1.0, 2.5, 100.0].map(|passes| learn().entropy_after(passes));
    for (weight, expected) in weights.iter().zip([0.5, 0.5, 0.45, 0.405, 0.1]) {
        assert!((weight - expected).abs() < 1e-12);
    }
    assert!(LearnKeys { entropy: 0.0, ..learn() }.entropy_after(0.0) == 0.0);
}
