use candle_core::{DType, Device, Tensor};
use mg_energy::EnergyNet;
use mg_langevin::{
    Ais, Base, GeometricPath, Hmc, Kernel, Ladder, LogZ, Pilot, Reflected, effective_sample_size, run,
    split_r_hat,
};
use mg_pyramid::down;
use mg_random::Key;

use crate::images::batches;
use crate::{Error, Images, Result, ScoreNets};

/// The model of one grid as a density, p(x) = exp(f(x)) p0(x) / Z (equation 1): its unknown normaliser and its values
/// on images. The support is that of [`ScoreNets::bounds`].
#[derive(Debug)]
pub struct Density {
    energy: EnergyNet,
    base: Base,
    batch: usize,
}

/// How log Z is estimated: annealed importance sampling from the reference by Hamiltonian Monte Carlo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealing {
    /// Chains, each of which makes a weight; at least 2.
    pub n_chains: usize,
    /// Temperatures above that of the reference; at least 1.
    pub n_temperatures: usize,
    /// Leapfrog steps of the one transition at every temperature; at least 1.
    pub n_leapfrog: usize,
    /// Level of the interval of log Z.
    pub level: f64,
    /// Steps at the model's own temperature after the annealing, to see whether chains mix; 0 for none.
    pub n_mixing: usize,
}

/// log Z of a grid's model, and how the sampling went.
#[derive(Clone, Debug)]
pub struct NormalizerEstimate {
    /// The estimate with its interval and the effective sample size of its weights.
    pub log_z: LogZ,
    /// Mean acceptance over all temperatures; `None` of a ladder without any between its ends.
    pub acceptance: Option<f64>,
    /// How the chains mix at the model's own temperature, where that was asked for.
    pub mixing: Option<Mixing>,
}

/// Chains at the model's own temperature, judged by their energies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// Chains.
    pub n_chains: usize,
    /// Steps of each.
    pub n_steps: usize,
    /// Mean acceptance.
    pub acceptance: Option<f64>,
    /// Effective sample size of all steps of all chains; `None` of fewer than 4 steps.
    pub ess: Option<f64>,
    /// Split R-hat; near 1 where chains have forgotten where they began.
    pub r_hat: Option<f64>,
}

impl Annealing {
    fn check(&self) -> Result<()> {
        let at_least = |name: &str, value: usize, least: usize| match value >= least {
            true => Ok(()),
            false => Err(Error::value(name, value.to_string(), format!("at least {least}"))),
        };
        at_least("n_chains", self.n_chains, 2)?;
        at_least("n_temperatures", self.n_temperatures, 1)?;
        at_least("n_leapfrog", self.n_leapfrog, 1)?;
        match self.level > 0.0 && self.level < 1.0 {
            true => Ok(()),
            false => Err(Error::value("level", self.level, "between 0 and 1")),
        }
    }
}

/// Chains of the pilot run.
const PILOT_CHAINS: usize = 16;

/// Powers of the ladder go with the square of their number: close together at the reference, where a steep score
/// changes the law fastest.
const EXPONENT: f64 = 2.0;

/// Levels of a grey value.
const LEVELS: f64 = 256.0;

impl Density {
    /// The model of grid number `level` of a class, coarse to fine; of the only class when none is named.
    ///
    /// # Errors
    /// When there is no such class or grid, its net cannot be evaluated image by image, or the reference is no density.
    pub fn of(model: &dyn ScoreNets, class: Option<&str>, level: usize) -> Result<Self> {
        let grids = model.nets(class)?;
        let grid = grids.get(level).ok_or_else(|| {
            let must = format!("below the number of grids, {}", grids.len());
            Error::value("grid", format!("number {level}"), must)
        })?;
        let energy = EnergyNet::new(grid.independent()?, model.reference());
        let base = Base::new(model.reference(), model.bounds())?;
        Ok(Density { energy, base, batch: model.batch() })
    }

    /// Numbers of an image: d = channels x side x side.
    pub fn dimension(&self) -> usize {
        let spec = self.energy.net.spec();
        spec.channels * spec.side * spec.side
    }

    /// Estimates log Z. `done` hears how many temperatures are left behind, and of how many.
    ///
    /// # Errors
    /// When a number is out of its range, or the net fails or is not finite.
    pub fn log_z(
        &self,
        how: &Annealing,
        key: Key,
        device: &Device,
        done: &mut dyn FnMut(usize, usize),
    ) -> Result<NormalizerEstimate> {
        how.check()?;
        let ladder = Ladder::power(how.n_temperatures, EXPONENT)?;
        let path = GeometricPath { base: self.base, energy: &self.energy, ladder: &ladder };
        let chunks = how.n_chains.div_ceil(self.batch);
        let all = how.n_temperatures * (chunks + 1);
        let kernels = self.kernels(how, &path, key, device, &mut |n| done(n, all))?;
        let ais = Ais::new(path, &kernels, 1)?;
        let (mut log_weights, mut acceptance, mut ends) = (Vec::new(), 0.0, None);
        for chunk in 0..chunks {
            let like = self.like(self.batch.min(how.n_chains - chunk * self.batch), device)?;
            let before = how.n_temperatures * (chunk + 1);
            let climbed = ais.forward(&like, key.fold(chunk as u64), &mut |t| done(before + t, all))?;
            let share = climbed.log_weights.len() as f64 / how.n_chains as f64;
            acceptance += share * climbed.mean_acceptance().unwrap_or(0.0);
            log_weights.extend(climbed.log_weights);
            ends.get_or_insert(climbed.x);
        }
        let mixing = match (ends, kernels.last()) {
            (Some(x), Some(&kernel)) if how.n_mixing > 0 => {
                Some(self.mixing(kernel, &x, how.n_mixing, key)?)
            }
            _ => None,
        };
        let acceptance = (!ladder.between().is_empty()).then_some(acceptance);
        Ok(NormalizerEstimate { log_z: LogZ::of(&log_weights, how.level, key)?, acceptance, mixing })
    }

    /// Kernels for the temperatures between reference and model, or one for none.
    fn kernels(
        &self,
        how: &Annealing,
        path: &GeometricPath<'_>,
        key: Key,
        device: &Device,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Hmc>> {
        let widest = match (self.base.bounds(), self.base.reference()) {
            (Some((min, max)), _) => max - min,
            (None, mg_energy::Reference::Gaussian { sigma }) => 10.0 * sigma,
            (None, mg_energy::Reference::Uniform) => 1.0,
        };
        let pilot = Pilot { step_size: 0.1 * widest, target: 0.65, n_steps: 1, max_step_size: widest };
        let kernel = |step_size| Hmc { step_size, n_leapfrog: how.n_leapfrog, temperature: 1.0 };
        let like = self.like(PILOT_CHAINS.min(how.n_chains), device)?;
        let sizes = pilot.step_sizes(path, &kernel, &like, key, done)?;
        Ok(match sizes.is_empty() {
            true => vec![kernel(pilot.step_size)],
            false => sizes.into_iter().map(kernel).collect(),
        })
    }

    /// Goes on from where the chains ended, now at the model's own temperature.
    fn mixing(&self, kernel: Hmc, x: &Tensor, n_steps: usize, key: Key) -> Result<Mixing> {
        let n_chains = x.dim(0)?;
        let kernel: Box<dyn Kernel> = match self.base.bounds() {
            Some((min, max)) => Box::new(Reflected { inner: kernel, min, max }),
            None => Box::new(kernel),
        };
        let mut energies = vec![Vec::with_capacity(n_steps); n_chains];
        let run = run(&*kernel, &self.energy, x, n_steps, key.named("mixing"), &mut |progress| {
            let step =
                progress.info.energy.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            energies.iter_mut().zip(step).for_each(|(chain, energy)| chain.push(energy));
            Ok(())
        })?;
        Ok(Mixing {
            n_chains,
            n_steps,
            acceptance: run.trace.mean_acceptance(),
            ess: effective_sample_size(&energies).ok(),
            r_hat: split_r_hat(&energies).ok(),
        })
    }

    /// f(x) + log p0(x) of every image of a set, its log density but for -log Z. Images are scaled to the grid,
    /// rounded to 256 grey levels there and dequantised uniformly: (byte + u) / 128 - 1, with u from `key`.
    ///
    /// # Errors
    /// When the images are smaller than the grid, or the net fails.
    pub fn log_unnormalized(
        &self,
        set: &dyn Images,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        for (number, numbers) in batches(set.len(), self.batch).enumerate() {
            let x = down(&set.batch(numbers)?, self.energy.net.spec().side)?;
            let x = dequantised(&x, key.named("dequantise").fold(number as u64))?;
            let scores = self.energy.net.score(&x)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
            let reference = self.base.log_density(&x)?;
            values.extend(scores.to_vec1::<f64>()?.iter().zip(reference).map(|(f, log_p0)| f + log_p0));
            done(values.len());
        }
        Ok(values)
    }

    fn like(&self, n: usize, device: &Device) -> Result<Tensor> {
        let spec = self.energy.net.spec();
        Ok(Tensor::zeros((n, spec.channels, spec.side, spec.side), DType::F32, device)?)
    }
}

/// Pixels of [-1, 1] as grey levels, each spread over its cell of width 2 / 256.
fn dequantised(x: &Tensor, key: Key) -> Result<Tensor> {
    let mut uniform = vec![0f32; x.elem_count()];
    key.fill_uniform(&mut uniform);
    let uniform = Tensor::from_vec(uniform, x.shape(), &Device::Cpu)?.to_device(x.device())?;
    let bytes = x.affine(0.5 * (LEVELS - 1.0), 0.5 * (LEVELS - 1.0))?.round()?.clamp(0.0, LEVELS - 1.0)?;
    Ok((bytes + uniform)?.affine(2.0 / LEVELS, -1.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dequantised_pixels_stay_in_the_cell_of_their_byte() {
        let bytes = Tensor::arange(0f32, 256.0, &Device::Cpu).unwrap();
        let x = bytes.affine(1.0 / 127.5, -1.0).unwrap().reshape((4, 1, 8, 8)).unwrap();
        for seed in 0..20 {
            let y = dequantised(&x, Key::new(seed)).unwrap();
            let cells = y.affine(128.0, 128.0).unwrap().floor().unwrap();
            assert_eq!(
                cells.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                bytes.to_vec1::<f32>().unwrap()
            );
            let (x, y) = (x.flatten_all().unwrap(), y.flatten_all().unwrap());
            let moved = (x - &y).unwrap().abs().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
            assert!(moved <= 2.0 / 256.0, "a pixel moved by {moved}");
            assert!(y.max(0).unwrap().to_scalar::<f32>().unwrap() <= 1.0);
        }
    }
}
