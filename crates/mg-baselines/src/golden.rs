//! Values that `golden/make.py` computed with PyTorch, and the weights and inputs that it computed them for.

use candle_core::{Device, Tensor};
use mg_energy::PrecisionKind;
use mg_kernels::MapShape;
use serde_json::Value;

use crate::game::Game;
use crate::net::Net;
use crate::net_set::{NetSet, Shapes};
use crate::nets::{NetKeys, Prior};

const SIDE: usize = 16;
const LATENT: usize = 5;
const BATCH: usize = 6;

pub(crate) struct Golden(Value);

pub(crate) fn ramp(count: usize, phase: f64, scale: f64) -> Vec<f32> {
    (1..=count).map(|i| ((12.9898 * i as f64 + phase).sin() * scale) as f32).collect()
}

/// The nets that the script has.
pub(crate) fn keys(kernel: usize) -> NetKeys {
    NetKeys {
        side: SIDE,
        latent: LATENT,
        prior: Some(Prior::Normal),
        kernel,
        generator_width: 4,
        width: Some(4),
        initial: 0.02,
        experts: None,
        precision: PrecisionKind::F32,
    }
}

/// Gives a net the script's weights, within a limit.
pub(crate) fn set(net: &mut Net, shape: &MapShape, phase: f64, limit: f32) {
    let mut values = vec![];
    for (number, parameter) in shape.parameters().iter().enumerate() {
        let mean = if parameter.name.ends_with("gamma") { 1.0 } else { 0.0 };
        let ramp = ramp(parameter.range.len(), phase + number as f64, 0.2).into_iter();
        values.extend(ramp.map(|value| (value + mean).clamp(-limit, limit)));
    }
    net.set_parameters(&Tensor::new(values, &Device::Cpu).unwrap());
}

/// Gives two nets the script's weights; the discriminator's lie within a limit.
pub(crate) fn prepare(game: &mut Game, limit: f32) {
    let keys = game.keys.clone();
    set(&mut game.generator, &keys.generator(), 0.0, f32::INFINITY);
    set(&mut game.discriminator, &keys.judge(), 100.0, limit);
}

/// Gives nets of these shapes the script's weights.
pub(crate) fn set_all(nets: &mut NetSet, shapes: &Shapes) {
    for (number, (net, (_, shape))) in nets.nets().zip(shapes).enumerate() {
        set(net, shape, 100.0 * number as f64, f32::INFINITY);
    }
}

/// Rows [n, numbers] of the script's.
pub(crate) fn rows(n: usize, numbers: usize, phase: f64) -> Tensor {
    Tensor::from_vec(ramp(n * numbers, phase, 1.0), (n, numbers), &Device::Cpu).unwrap()
}

/// Observed images and latent numbers.
pub(crate) fn inputs() -> (Tensor, Tensor) {
    let tensor = |values: Vec<f32>, dims: &[usize]| Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
    let observed = tensor(ramp(BATCH * 3 * SIDE * SIDE, 3.0, 0.9), &[BATCH, 3, SIDE, SIDE]);
    (observed, tensor(ramp(BATCH * LATENT, 5.0, 1.0), &[BATCH, LATENT, 1, 1]))
}

impl Golden {
    pub(crate) fn read(text: &str) -> Self {
        Golden(serde_json::from_str(text).unwrap())
    }

    /// A number is the script's.
    pub(crate) fn number(&self, name: &str, found: f64) {
        let expected = self.0[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-5, "{name}: {found}, PyTorch has {expected}");
    }

    /// A tensor is the script's.
    pub(crate) fn tensor(&self, name: &str, found: &Tensor) {
        let expected = self.0[name].as_array().unwrap();
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let expected = expected.as_f64().unwrap();
            let gap = (f64::from(*found) - expected).abs();
            assert!(gap < 1e-5, "{name}, number {i}: {found}, PyTorch has {expected}");
        }
    }

    /// The parameters of all nets are the script's.
    pub(crate) fn all(&self, nets: &mut NetSet, shapes: &Shapes) {
        shapes.iter().zip(nets.nets()).for_each(|((name, _), net)| self.tensor(name, net.parameters()));
    }

    /// Both nets' parameters are the script's.
    pub(crate) fn game(&self, game: &Game) {
        self.tensor("generator", game.generator.parameters());
        self.tensor("discriminator", game.discriminator.parameters());
    }
}
