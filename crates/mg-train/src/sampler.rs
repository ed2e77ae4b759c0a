use mg_energy::{Energy, EnergyNet};
use mg_langevin::{Clamped, Hmc, Kernel, Langevin, Level, Mala, Within};

use crate::config::{Config, SamplerKind};

/// The transition kernel of one grid, as a configuration describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Which kernel.
    pub kind: SamplerKind,
    /// delta^2 / 2 of equation (6).
    pub step_size: f64,
    /// Deviation of the noise of a Langevin step; MALA and HMC take the temperature from it.
    pub noise_scale: f64,
    /// Leapfrog steps of HMC.
    pub n_leapfrog: usize,
    /// Whether pixels stay in [-1, 1].
    pub clamp: bool,
    /// Steps.
    pub n_steps: usize,
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
            noise_scale: chains.noise_scale.at(level),
            n_leapfrog: chains.leapfrog,
            clamp: chains.clamp,
            n_steps: chains.steps.at(level),
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
        self.langevin().temperature()
    }

    fn langevin(&self) -> Langevin {
        Langevin { step_size: self.step_size, noise_scale: self.noise_scale }
    }

    /// The kernel. A leapfrog step of HMC is as long as a Langevin step: sqrt(2 step_size).
    pub fn kernel(&self) -> Box<dyn Kernel> {
        let &Sampler { step_size, n_leapfrog, .. } = self;
        let temperature = self.temperature();
        match self.kind {
            SamplerKind::Langevin if self.clamp => {
                Box::new(Clamped { inner: self.langevin(), min: RANGE.0, max: RANGE.1 })
            }
            SamplerKind::Langevin => Box::new(self.langevin()),
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

    /// The grid of side `side` as a level of a sweep.
    pub fn level<'a>(
        &self,
        side: usize,
        energy: &'a EnergyNet,
        bounded: &'a Within<'a>,
        kernel: &'a dyn Kernel,
    ) -> Level<'a> {
        let refuses = self.clamp && self.kind != SamplerKind::Langevin;
        let energy: &dyn Energy = if refuses { bounded } else { energy };
        Level { side, energy, kernel, n_steps: self.n_steps, bounds: refuses.then_some(RANGE) }
    }
}
