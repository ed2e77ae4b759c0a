use mg_energy::{ConvSpec, Precision};

use super::*;
use crate::descriptor_keys::{ChainKeys, Descriptor, EnergyKeys};
use crate::golden::{Golden, inputs, keys, ramp, set};

#[test]
fn an_update_is_pytorch_s() {
    let golden = Golden::read(include_str!("../../golden/cooperative.json"));
    let (energy_rate, generator_rate, beta1, beta2) = (0.007, 1e-4, 0.5, 0.999);
    let config = CooperativeConfig {
        model: keys(5),
        descriptor: DescriptorKeys {
            model: EnergyKeys { descriptor: Descriptor::Coopnets, outputs: 3, sigma: 0.5 },
            chains: ChainKeys { steps: 4, delta: 0.1, count: 6 },
        },
        learn: LearnKeys { energy_rate, generator_rate, beta1, beta2, residual: 0.3 },
        guard: GuardKeys { max_gap: 1e5, max_deviation_ratio: 3.0 },
    };
    let mut nets = config.nets(Key::new(0), &Device::Cpu).unwrap();
    set(&mut nets.generator, &config.model.generator(), 0.0, f32::INFINITY);
    // A smaller net of the same kind.
    let conv = |(channels, kernel, stride)| ConvSpec { channels, kernel, stride };
    nets.spec = config.descriptor.spec(config.model.side, Precision::Full);
    nets.spec.layers = [(4, 5, 2), (6, 3, 2), (8, 3, 1)].map(conv).to_vec();
    let entry = |(number, (name, dims)): (usize, (String, Vec<usize>))| {
        let values = ramp(dims.iter().product(), 300.0 + number as f64, 0.2);
        (name, Tensor::from_vec(values, dims, &Device::Cpu).unwrap())
    };
    let shapes = Params::shapes(&nets.spec).unwrap().into_iter().enumerate();
    nets.params = Params::from_entries(shapes.map(entry).collect());
    let (observed, z) = inputs();
    let chains = (config.descriptor.langevin().noise_free(), Key::new(0).into());
    let report = nets.update(&observed, &z, 1.0, chains).unwrap();
    golden.number("gap", report.values["energy.gap"]);
    golden.number("generator_loss", report.values["generator.loss"]);
    golden.tensor("generator", nets.generator.parameters());
    let energy: Vec<Tensor> = nets.params.iter().map(|(_, t)| t.flatten_all().unwrap()).collect();
    golden.tensor("energy", &Tensor::cat(&energy, 0).unwrap());
}
