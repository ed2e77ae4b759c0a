//! Annealed importance sampling against normalisers that are known.

use candle_core::{D, DType, Device, Tensor};
use mg_energy::toy::{DoubleWell, Normal};
use mg_energy::{Energy, Reference, ValueAndGrad};
use mg_langevin::{Ais, Annealed, Base, Error, GeometricPath, Hmc, Ladder, LogZ, Mala, Pilot};
use mg_random::Key;

use crate::support::{Outcome, assert_mean, bits, expectation, noise, values};

const HMC: Hmc = Hmc { step_size: 0.35, n_leapfrog: 3, temperature: 1.0 };
const SLOPES: [f64; 4] = [3.0, -2.0, 0.5, 4.0];

/// The score f(x) = a.x: on [-1, 1]^d the integral of exp(f) is the product of 2 sinh(a) / a.
struct Linear(Vec<f64>);

impl Linear {
    /// log of the mean of exp(f) over the box.
    fn log_z(&self) -> f64 {
        self.0.iter().map(|a| (a.sinh() / a).ln()).sum()
    }

    /// Exact samples of exp(f) on the box, by the inverse of its distribution function.
    fn draw(&self, n: usize, key: Key) -> Tensor {
        let mut uniform = vec![0f32; n * self.0.len()];
        key.fill_uniform(&mut uniform);
        let at = |(i, u): (usize, &f32)| {
            let a = self.0[i % self.0.len()];
            ((-a).exp() + f64::from(*u) * 2.0 * a.sinh()).ln() / a
        };
        let x: Vec<f64> = uniform.iter().enumerate().map(at).map(|x| x.clamp(-1.0, 1.0)).collect();
        Tensor::from_vec(x, (n, self.0.len()), &Device::Cpu).unwrap()
    }
}

impl Energy for Linear {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let slopes = Tensor::new(self.0.as_slice(), x.device())?.to_dtype(x.dtype())?;
        let energy = x.broadcast_mul(&slopes)?.sum(D::Minus1)?.neg()?;
        let grad = slopes.neg()?.broadcast_as(x.shape())?.contiguous()?;
        Ok(ValueAndGrad { energy, grad })
    }
}

fn cube() -> Base {
    Base::new(Reference::Uniform, Some((-1.0, 1.0))).unwrap()
}

fn gaussian(sigma: f64, bounds: Option<(f64, f64)>) -> Base {
    Base::new(Reference::Gaussian { sigma }, bounds).unwrap()
}

/// From the uniform law on [-1, 1]^d.
fn path<'a>(energy: &'a dyn Energy, ladder: &'a Ladder) -> GeometricPath<'a> {
    GeometricPath { base: cube(), energy, ladder }
}

fn doubles(n: usize, d: usize) -> Tensor {
    Tensor::zeros((n, d), DType::F64, &Device::Cpu).unwrap()
}

fn forward(base: Base, energy: &dyn Energy, ladder: &Ladder, like: &Tensor, seed: u64) -> Annealed {
    let ais = Ais::new(GeometricPath { base, energy, ladder }, &[HMC], 1).unwrap();
    ais.forward(like, Key::new(seed), &mut |_| {}).unwrap()
}

/// Fails unless the mean of the weights, relative to the truth, is one.
#[track_caller]
fn assert_unbiased(what: &str, annealed: &Annealed, log_z: f64) {
    assert_mean(what, annealed.log_weights.iter().map(|w| (w - log_z).exp()), 1.0);
}

#[test]
fn one_temperature_is_importance_sampling() -> Outcome {
    let (model, ladder, key) = (Linear(SLOPES.to_vec()), Ladder::even(1)?, Key::new(3));
    let ais = Ais::<Hmc>::new(path(&model, &ladder), &[], 1)?;
    let annealed = ais.forward(&doubles(50, 4), key, &mut |_| {})?;
    let x = cube().draw_like(key.named("forward").named("base"), &doubles(50, 4))?;
    assert_eq!(annealed.log_weights, values(&model.energy(&x)?.neg()?));
    assert_eq!(values(&annealed.x), values(&x));
    assert_eq!(annealed.mean_acceptance(), None);
    // Without transitions any ladder is: its steps add up to the score.
    let ladder = Ladder::even(7)?;
    let ais = Ais::new(path(&model, &ladder), &[HMC], 0)?;
    let idle = ais.forward(&doubles(50, 4), key, &mut |_| {})?;
    for (a, b) in idle.log_weights.iter().zip(&annealed.log_weights) {
        assert!((a - b).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn weights_are_unbiased_for_every_reference_and_kernel() -> Outcome {
    let (ladder, like) = (Ladder::even(12)?, doubles(6_000, 4));
    let linear = Linear(SLOPES.to_vec());
    assert_unbiased("linear on a box", &forward(cube(), &linear, &ladder, &like, 1), linear.log_z());
    // Z is the ratio of the integrals of exp(-U).
    let normal = Normal { mean: 0.0, std_dev: 0.3 };
    let ratio = 4.0 * (0.3f64 / 0.5).ln();
    assert_unbiased("normal by normal", &forward(gaussian(0.5, None), &normal, &ladder, &like, 2), ratio);
    let shifted = Normal { mean: 0.4, std_dev: 0.5 };
    assert_unbiased("a shifted normal", &forward(gaussian(0.5, None), &shifted, &ladder, &like, 3), 0.0);
    // Within bounds: one-dimensional integrals of both.
    let well = DoubleWell { temperature: 0.1 };
    let u = |x: f64| (x * x - 1.0).powi(2) / 0.4 - x * x / (2.0 * 0.16);
    let mean = expectation(|x| x * x / (2.0 * 0.16), |x| (-u(x)).exp(), -1.0, 1.0);
    let bounded = gaussian(0.4, Some((-1.0, 1.0)));
    assert_unbiased("a double well", &forward(bounded, &well, &ladder, &like, 4), 4.0 * mean.ln());
    // MALA, several steps a temperature, another kernel at each.
    let malas: Vec<Mala> =
        (1..12).map(|i| Mala { step_size: if i % 2 == 1 { 0.3 } else { 1e-6 }, temperature: 1.0 }).collect();
    let annealed = Ais::new(path(&linear, &ladder), &malas, 2)?.forward(&like, Key::new(5), &mut |_| {})?;
    assert_unbiased("mala", &annealed, linear.log_z());
    assert_eq!(annealed.acceptance.len(), 11);
    assert!(annealed.acceptance[9] > 0.999 && annealed.acceptance[10] < 0.95, "{:?}", annealed.acceptance);
    Ok(())
}

#[test]
fn more_temperatures_make_better_weights() -> Outcome {
    let model = Linear(vec![3.0; 10]);
    let log_z = |n: usize| -> Result<LogZ, Error> {
        let annealed = forward(cube(), &model, &Ladder::even(n)?, &doubles(300, 10), 6);
        LogZ::of(&annealed.log_weights, 0.95, Key::new(0))
    };
    let (few, many) = (log_z(2)?, log_z(60)?);
    assert!(few.ess < 10.0 && many.ess > 60.0, "{few:?} and {many:?}");
    assert!((many.estimate - model.log_z()).abs() < 0.25, "{many:?}, not {}", model.log_z());
    Ok(())
}

#[test]
fn the_interval_covers_the_truth_at_about_its_level() -> Outcome {
    let (model, chains, repetitions) = (Linear(SLOPES.to_vec()), 50, 300);
    let annealed = forward(cube(), &model, &Ladder::even(10)?, &doubles(chains * repetitions, 4), 7);
    let covered = annealed.log_weights.chunks(chains).enumerate().filter(|(i, weights)| {
        let (low, high) = LogZ::of(weights, 0.9, Key::new(8).fold(*i as u64)).unwrap().interval;
        low <= model.log_z() && model.log_z() <= high
    });
    // Binomial with 0.9: 270 +- 5; the bootstrap of a skewed mean covers a little less.
    let covered = covered.count();
    assert!((246..=288).contains(&covered), "{covered} of {repetitions}");
    Ok(())
}

#[test]
fn forward_and_reverse_chains_bracket_the_truth() -> Outcome {
    let model = Linear(vec![4.0; 8]);
    let exact = model.draw(2_000, Key::new(9));
    let mean = |weights: &[f64]| weights.iter().sum::<f64>() / weights.len() as f64;
    let bracket = |n: usize| -> Result<(f64, f64), Error> {
        let ladder = Ladder::even(n)?;
        let ais = Ais::new(path(&model, &ladder), &[HMC], 1)?;
        let up = ais.forward(&doubles(2_000, 8), Key::new(10), &mut |_| {})?;
        let down = ais.reverse(&exact, Key::new(10), &mut |_| {})?;
        // Single weights bound log Z in expectation by Jensen's inequality, here with room to spare.
        Ok((mean(&up.log_weights), -mean(&down.log_weights)))
    };
    let (coarse, fine) = (bracket(3)?, bracket(40)?);
    let truth = model.log_z();
    assert!(coarse.0 < fine.0 && fine.0 < truth && truth < fine.1 && fine.1 < coarse.1);
    assert!(fine.1 - fine.0 < 0.2 * (coarse.1 - coarse.0), "{coarse:?} and {fine:?} around {truth}");
    Ok(())
}

#[test]
fn reverse_weights_estimate_the_inverse() -> Outcome {
    let model = Linear(SLOPES.to_vec());
    let ladder = Ladder::even(12)?;
    let ais = Ais::new(path(&model, &ladder), &[HMC], 1)?;
    let down = ais.reverse(&model.draw(6_000, Key::new(11)), Key::new(12), &mut |_| {})?;
    assert_unbiased("1 / Z", &down, -model.log_z());
    let log_z = LogZ::of_reverse(&down.log_weights, 0.999, Key::new(13))?;
    assert!(log_z.interval.0 < model.log_z() && model.log_z() < log_z.interval.1, "{log_z:?}");
    // Chains end at the reference: uniform.
    assert_mean("E x^2", values(&down.x).iter().step_by(4).map(|x| x * x), 1.0 / 3.0);
    Ok(())
}

#[test]
fn the_bits_depend_on_the_key_and_not_on_the_threads() -> Outcome {
    let well = DoubleWell { temperature: 0.3 };
    let ladder = Ladder::even(4)?;
    let on = |threads: usize, key: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let ais = Ais::new(
                GeometricPath { base: gaussian(0.5, Some((-1.0, 1.0))), ..path(&well, &ladder) },
                &[HMC],
                2,
            )
            .unwrap();
            let like = noise(&[9, 3, 40, 40], DType::F32, 1);
            let annealed = ais.forward(&like, Key::new(key), &mut |_| {}).unwrap();
            (bits(&annealed.x), annealed.log_weights, annealed.acceptance)
        })
    };
    assert_eq!(on(1, 3), on(2, 3));
    assert_ne!(on(2, 3).1, on(2, 4).1);
    Ok(())
}

#[test]
fn a_pilot_finds_steps_of_the_acceptance_that_was_asked_for() -> Outcome {
    let model = Normal { mean: 0.0, std_dev: 0.1 };
    let ladder = Ladder::power(60, 2.0)?;
    let path = GeometricPath { base: gaussian(0.5, None), ..path(&model, &ladder) };
    let kernel = |step_size| Mala { step_size, temperature: 1.0 };
    let pilot = Pilot { step_size: 1.0, target: 0.57, n_steps: 3, max_step_size: 10.0 };
    let (like, mut heard) = (doubles(16, 10), 0);
    let sizes = pilot.step_sizes(&path, &kernel, &like, Key::new(1), &mut |n| heard = n)?;
    assert_eq!((sizes.len(), heard), (59, 59));
    // The variance falls from 0.25 to 0.01, and steps of MALA with it.
    assert!(sizes[3] / sizes[58] > 8.0, "{} to {}", sizes[3], sizes[58]);
    let kernels: Vec<Mala> = sizes.into_iter().map(kernel).collect();
    let ais = Ais::new(path, &kernels, 1)?;
    let annealed = ais.forward(&doubles(1_000, 10), Key::new(2), &mut |_| {})?;
    let late = annealed.acceptance[30..].iter().sum::<f64>() / 29.0;
    assert!((late - 0.57).abs() < 0.1, "accepted {late}");
    assert_unbiased("after a pilot", &annealed, 10.0 * (0.1f64 / 0.5).ln());
    Ok(())
}

#[test]
fn a_pilot_stays_below_its_largest_step() -> Outcome {
    let flat = Linear(vec![1e-9; 3]);
    let pilot = Pilot { step_size: 0.1, target: 0.65, n_steps: 4, max_step_size: 2.0 };
    let kernel = |step_size| Hmc { step_size, ..HMC };
    let ladder = Ladder::even(9)?;
    let sizes = pilot.step_sizes(&path(&flat, &ladder), &kernel, &doubles(8, 3), Key::new(1), &mut |_| {})?;
    assert_eq!(sizes.last(), Some(&2.0));
    Ok(())
}

#[test]
fn what_cannot_be_annealed_is_refused() -> Outcome {
    let (model, ladder) = (Linear(SLOPES.to_vec()), Ladder::even(4)?);
    let error = Ais::new(path(&model, &ladder), &[HMC, HMC], 1).unwrap_err();
    assert!(matches!(error, Error::KernelCount { kernels: 2, between: 3 }), "{error}");
    let warm = Hmc { temperature: 2.0, ..HMC };
    assert!(Ais::new(path(&model, &ladder), &[warm], 1).unwrap_err().to_string().contains("temperature = 2"));
    let ais = Ais::new(path(&model, &ladder), &[HMC], 1)?;
    let outside = Tensor::new(&[[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.5, 0.0]], &Device::Cpu)?;
    let error = ais.reverse(&outside, Key::new(0), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Outside { chain: 1, .. }), "{error}");
    let broken = Linear(vec![f64::NAN; 4]);
    let ais = Ais::new(path(&broken, &ladder), &[HMC], 1)?;
    let error = ais.forward(&doubles(2, 4), Key::new(0), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Score { chain: 0, .. }), "{error}");
    let flat = Tensor::zeros(3, DType::F64, &Device::Cpu)?;
    assert!(matches!(ais.forward(&flat, Key::new(0), &mut |_| {}), Err(Error::Shape { .. })));
    let pilot = Pilot { step_size: 0.1, target: 1.5, n_steps: 1, max_step_size: 1.0 };
    let error = pilot.step_sizes(&path(&model, &ladder), &|_| HMC, &doubles(2, 4), Key::new(0), &mut |_| {});
    assert!(error.unwrap_err().to_string().contains("target = 1.5"));
    Ok(())
}
