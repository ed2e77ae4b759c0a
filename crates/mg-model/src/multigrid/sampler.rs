use candle_core::Tensor;
use mg_energy::{Energy, EnergyNet};
use mg_langevin::{Begin, Clamped, Held, Hmc, Kernel, Langevin, Level, Mala, Upscaling, Within};
use mg_pyramid::{ConditionalGaussian, Upscale};

use super::flow::FlowEnergy;
use super::{SamplerKind, Settings};
use crate::Result;

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
    /// Whether it follows a flow: from time 0 to time 1 in its steps, of equal length and without noise.
    pub flow: bool,
}

/// The range of pixels.
pub const RANGE: (f64, f64) = (-1.0, 1.0);

impl Sampler {
    /// The sampler of grid number `level`, coarse to fine.
    pub fn new(settings: &Settings, level: usize) -> Self {
        let chains = &settings.chains;
        Sampler {
            kind: chains.sampler,
            step_size: chains.step_size.at(level),
            step_decay: chains.step_decay.at(level),
            noise_scale: chains.noise_scale.at(level),
            n_leapfrog: chains.leapfrog,
            clamp: chains.clamp,
            n_steps: chains.steps.at(level),
            upscale: chains.upscale.at(level).plain(),
            start_noise: chains.start_noise.at(level),
            flow: settings.is_flow(level),
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
    /// step: sqrt(2 step_size). A step of a flow is one of Euler's, and only where it arrives are pixels clamped.
    pub fn kernels(&self) -> Vec<Box<dyn Kernel>> {
        let n = self.n_steps.max(1);
        if self.flow {
            let euler = Langevin { step_size: 1.0 / n as f64, noise_scale: 0.0 };
            let mut kernels: Vec<Box<dyn Kernel>> =
                (1..n).map(|_| Box::new(euler) as Box<dyn Kernel>).collect();
            kernels.push(if self.clamp { clamped(euler) } else { Box::new(euler) });
            return kernels;
        }
        let n = if self.step_decay == 1.0 { 1 } else { n };
        let share = |step: usize| step as f64 / (n.max(2) - 1) as f64;
        (0..n).map(|step| self.kernel(self.step_decay.powf(share(step)))).collect()
    }

    /// The energies of a flow's steps, in turn, one for the time of each; none of another law.
    fn flow<'a>(&self, energy: &EnergyNet, gaussian: Option<&'a ConditionalGaussian>) -> Vec<FlowEnergy<'a>> {
        let n = if self.flow { self.n_steps.max(1) } else { 0 };
        (0..n).map(|step| FlowEnergy::new(&energy.net, step as f64 / n as f64, gaussian)).collect()
    }

    /// How chains begin at a coarser sample, where they may be drawn from `gaussian`.
    pub fn upscaling<'a>(&self, gaussian: Option<&'a ConditionalGaussian>) -> Upscaling<'a> {
        let bounds = self.refuses().then_some(RANGE);
        Upscaling { upscale: self.upscale, gaussian, noise: self.start_noise, bounds }
    }

    /// The kernel of steps of `pace` times the step size, at the same temperature.
    fn kernel(&self, pace: f64) -> Box<dyn Kernel> {
        let (step_size, n_leapfrog) = (self.step_size * pace, self.n_leapfrog);
        let langevin = Langevin { step_size, noise_scale: self.noise_scale * pace.sqrt() };
        let temperature = self.temperature();
        match self.kind {
            SamplerKind::Langevin if self.clamp => clamped(langevin),
            SamplerKind::Langevin => Box::new(langevin),
            SamplerKind::Mala => Box::new(Mala { step_size, temperature }),
            SamplerKind::Hmc => {
                Box::new(Hmc { step_size: (2.0 * step_size).sqrt(), n_leapfrog, temperature })
            }
        }
    }

    /// Whether it refuses proposals outside the range of pixels, in place of a clamp.
    fn refuses(&self) -> bool {
        self.clamp && self.kind != SamplerKind::Langevin && !self.flow
    }
}

fn clamped(inner: Langevin) -> Box<dyn Kernel> {
    Box::new(Clamped { inner, min: RANGE.0, max: RANGE.1 })
}

/// A grid that a climb goes through.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// How its chains move.
    pub sampler: Sampler,
    /// Its energy; that of a flow at any time.
    pub energy: &'a EnergyNet,
    /// What its chains begin at draws from, given the coarser sample.
    pub gaussian: Option<&'a ConditionalGaussian>,
    /// What is special about where its chains are.
    pub place: Place<'a>,
}

/// What is special about where chains of a grid are: nothing, unless said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The images that chains begin at, in place of the coarser sample.
    pub begin: Option<&'a Tensor>,
    /// Pixels that do not move.
    pub held: Option<Held<'a>>,
}

/// Builds a level of a climb for every one of `grids`, coarse to fine, and hands them to `f`. Their chains begin at the
/// coarser sample, scaled up as the sampler says or drawn from the Gaussian, unless a place says otherwise.
///
/// # Errors
/// Those of `f`.
pub fn with_levels<T>(grids: &[Sampled<'_>], f: impl FnOnce(&[Level<'_>]) -> Result<T>) -> Result<T> {
    let (min, max) = RANGE;
    let bounded: Vec<_> = grids.iter().map(|grid| Within { energy: grid.energy, min, max }).collect();
    let flows: Vec<_> = grids.iter().map(|grid| grid.sampler.flow(grid.energy, grid.gaussian)).collect();
    let kernels: Vec<_> = grids.iter().map(|grid| grid.sampler.kernels()).collect();
    let kernels: Vec<Vec<&dyn Kernel>> =
        kernels.iter().map(|kernels| kernels.iter().map(|kernel| &**kernel).collect()).collect();
    let energies = grids.iter().enumerate().map(|(i, grid)| -> Vec<&dyn Energy> {
        match (grid.sampler.flow, grid.sampler.refuses()) {
            (true, _) => flows[i].iter().map(|energy| energy as &dyn Energy).collect(),
            (false, true) => vec![&bounded[i]],
            (false, false) => vec![grid.energy],
        }
    });
    let energies: Vec<_> = energies.collect();
    let levels = grids.iter().enumerate().map(|(i, grid)| {
        let Place { begin, held } = grid.place;
        let upscaling = grid.sampler.upscaling(grid.gaussian);
        Level {
            side: grid.energy.net.spec().side,
            energies: &energies[i],
            kernels: &kernels[i],
            n_steps: grid.sampler.n_steps,
            begin: begin.map_or(Begin::Coarser(upscaling), Begin::At),
            held,
        }
    });
    f(&levels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_energy::toy::Normal;
    use mg_langevin::Chain;
    use mg_random::Key;
    use serde_json::json;

    use super::*;
    use crate::multigrid::tests::settings;

    #[test]
    fn steps_shorten_evenly_in_the_logarithm() {
        let settings = settings(&[
            ("/chains/step_decay", json!(0.01)),
            ("/chains/steps", json!(5)),
            ("/chains/step_size", json!(0.1)),
            ("/chains/noise_scale", json!(0.0)),
        ]);
        let kernels = Sampler::new(&settings, 0).kernels();
        // On U = x^2 / 2 a step of size e takes x to (1 - e) x.
        let energy = Normal { mean: 0.0, std_dev: 1.0 };
        let one = Tensor::ones((1, 1), DType::F64, &Device::Cpu).unwrap();
        let moved = |kernel: &dyn Kernel| {
            let (chain, _) =
                kernel.step(&energy, Chain::new(one.clone()).unwrap(), Key::new(0).into()).unwrap();
            1.0 - chain.x().flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
        };
        let steps: Vec<f64> = kernels.iter().map(|kernel| moved(&**kernel)).collect();
        for (step, expected) in
            steps.iter().zip([0.1, 0.1 * 0.01f64.powf(0.25), 0.01, 0.1 * 0.01f64.powf(0.75), 0.001])
        {
            assert!((step - expected).abs() < 1e-12, "{steps:?}");
        }
        assert_eq!(steps.len(), 5);
        let level = Sampler { step_decay: 1.0, ..Sampler::new(&settings, 0) };
        assert_eq!(level.kernels().len(), 1);
        assert_eq!(Sampler { n_steps: 1, ..Sampler::new(&settings, 0) }.kernels().len(), 1);
    }
}
