use mg_energy::{Energy, EnergyNet};
use mg_langevin::{Clamped, Hmc, Kernel, Langevin, Level, Mala, Start, Within};
use mg_pyramid::{ConditionalGaussian, Upscale};

use crate::config::{Config, SamplerKind, UpscaleMode};

/// The transition kernel of one grid, as a configuration describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Which kernel.
    pub kind: SamplerKind,
    /// delta^2 / 2 of equation (6).
    pub step_size: f64,
    /// Factor on the step size that the last step of a grid has, evenly reached in the logarithm.
    pub step_decay: f64,
    /// Deviation of the noise of a Langevin step; MALA and HMC take the temperature from it.
    pub noise_scale: f64,
    /// Leapfrog steps of HMC.
    pub n_leapfrog: usize,
    /// Whether pixels stay in [-1, 1].
    pub clamp: bool,
    /// Steps.
    pub n_steps: usize,
    /// How chains begin at a coarser sample, where no Gaussian is given.
    pub upscale: Upscale,
    /// Deviation of the noise that chains begin with.
    pub start_noise: f64,
}

/// The range of pixels.
pub(crate) const RANGE: (f64, f64) = (-1.0, 1.0);

impl Sampler {
    /// The sampler of grid number `level`, coarse to fine.
    pub fn new(config: &Config, level: usize) -> Self {
        let chains = &config.chains;
        Sampler {
            kind: chains.sampler,
            step_size: chains.step_size.at(level),
            step_decay: chains.step_decay.at(level),
            noise_scale: chains.noise_scale.at(level),
            n_leapfrog: chains.leapfrog,
            clamp: chains.clamp,
            n_steps: chains.steps.at(level),
            upscale: match chains.upscale.at(level) {
                UpscaleMode::Blocks => Upscale::Blocks,
                UpscaleMode::Smooth | UpscaleMode::Gaussian => Upscale::Smooth,
            },
            start_noise: chains.start_noise.at(level),
        }
    }

    /// The same without noise, where that means something: plain Langevin.
    pub fn noise_free(self) -> Self {
        match self.kind {
            SamplerKind::Langevin => Sampler { noise_scale: 0.0, ..self },
            _ => self,
        }
    }

    /// The temperature that the two factors of equation (6) make: noise_scale^2 / (2 step_size).
    pub fn temperature(&self) -> f64 {
        Langevin { step_size: self.step_size, noise_scale: self.noise_scale }.temperature()
    }

    /// The kernels of the steps, in turn: one where all steps are alike. A leapfrog step of HMC is as long as a Langevin
    /// step: sqrt(2 step_size).
    pub fn kernels(&self) -> Vec<Box<dyn Kernel>> {
        let n = if self.step_decay == 1.0 { 1 } else { self.n_steps.max(1) };
        let share = |step: usize| step as f64 / (n.max(2) - 1) as f64;
        (0..n).map(|step| self.kernel(self.step_decay.powf(share(step)))).collect()
    }

    /// Kernels as a level takes them.
    pub fn borrowed(kernels: &[Box<dyn Kernel>]) -> Vec<&dyn Kernel> {
        kernels.iter().map(|kernel| &**kernel).collect()
    }

    /// The kernel of steps of `pace` times the step size, at the same temperature.
    fn kernel(&self, pace: f64) -> Box<dyn Kernel> {
        let (step_size, n_leapfrog) = (self.step_size * pace, self.n_leapfrog);
        let langevin = Langevin { step_size, noise_scale: self.noise_scale * pace.sqrt() };
        let temperature = self.temperature();
        match self.kind {
            SamplerKind::Langevin if self.clamp => {
                Box::new(Clamped { inner: langevin, min: RANGE.0, max: RANGE.1 })
            }
            SamplerKind::Langevin => Box::new(langevin),
            SamplerKind::Mala => Box::new(Mala { step_size, temperature }),
            SamplerKind::Hmc => {
                Box::new(Hmc { step_size: (2.0 * step_size).sqrt(), n_leapfrog, temperature })
            }
        }
    }

    /// `energy` kept to the range of pixels: what a kernel that accepts or refuses needs in place of a clamp.
    pub fn bounded(energy: &EnergyNet) -> Within<'_> {
        Within { energy, min: RANGE.0, max: RANGE.1 }
    }

    /// The grid of side `side` as a level of a sweep; its chains start at draws from `gaussian`, where there is one.
    pub fn level<'a>(
        &self,
        side: usize,
        energy: &'a EnergyNet,
        bounded: &'a Within<'a>,
        kernels: &'a [&'a dyn Kernel],
        gaussian: Option<&'a ConditionalGaussian>,
    ) -> Level<'a> {
        let refuses = self.clamp && self.kind != SamplerKind::Langevin;
        let energy: &dyn Energy = if refuses { bounded } else { energy };
        let (upscale, noise, bounds) = (self.upscale, self.start_noise, refuses.then_some(RANGE));
        let start = Start { upscale, gaussian, noise, bounds };
        Level { side, energy, kernels, n_steps: self.n_steps, start }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use mg_energy::toy::Normal;
    use mg_langevin::Chain;
    use mg_random::Key;

    use super::*;
    use crate::config::{Source, resolve};

    #[test]
    fn steps_shorten_evenly_in_the_logarithm() {
        let sets =
            ["chains.step_decay=0.01", "chains.steps=5", "chains.step_size=0.1", "chains.noise_scale=0.0"];
        let sources = sets.iter().map(|set| Source::assignment(set));
        let config = resolve(&sources.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
        let kernels = Sampler::new(&config, 0).kernels();
        // On U = x^2 / 2 a step of size e takes x to (1 - e) x.
        let energy = Normal { mean: 0.0, std_dev: 1.0 };
        let one = Tensor::ones((1, 1), DType::F64, &Device::Cpu).unwrap();
        let moved = |kernel: &dyn Kernel| {
            let (chain, _) = kernel.step(&energy, Chain::new(one.clone()).unwrap(), Key::new(0)).unwrap();
            1.0 - chain.x().flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
        };
        let steps: Vec<f64> = kernels.iter().map(|kernel| moved(&**kernel)).collect();
        for (step, expected) in
            steps.iter().zip([0.1, 0.1 * 0.01f64.powf(0.25), 0.01, 0.1 * 0.01f64.powf(0.75), 0.001])
        {
            assert!((step - expected).abs() < 1e-12, "{steps:?}");
        }
        assert_eq!(steps.len(), 5);
        let level = Sampler { step_decay: 1.0, ..Sampler::new(&config, 0) };
        assert_eq!(level.kernels().len(), 1);
        assert_eq!(Sampler { n_steps: 1, ..Sampler::new(&config, 0) }.kernels().len(), 1);
    }
}
