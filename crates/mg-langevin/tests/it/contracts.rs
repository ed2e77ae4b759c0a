//! What every kernel and every run promises: costs, bits, bounds, errors.

use std::cell::Cell;

use candle_core::{DType, Device, Tensor};
use mg_energy::toy::{DoubleWell, Normal};
use mg_energy::{Energy, ValueAndGrad};
use mg_langevin::{Chain, ChainKey, Clamped, Error, Hmc, Kernel, Langevin, Mala, Nuts, run, unobserved};
use mg_random::Key;
use proptest::prelude::*;

use crate::support::{Outcome, after, bits, noise, values};

const WELL: DoubleWell = DoubleWell { temperature: 0.2 };

/// Counts the gradients that are asked of it.
struct Counting(Cell<usize>);

impl Energy for Counting {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        WELL.energy(x)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        self.0.set(self.0.get() + 1);
        WELL.value_and_grad(x)
    }
}

#[test]
fn langevin_costs_one_gradient_per_step_and_the_adjusted_kernels_one_more_per_run() {
    let langevin = Langevin::from_delta(0.1);
    let kernels: [(&dyn Kernel, usize); 4] = [
        (&langevin, 7),
        (&Clamped { inner: langevin, min: -1.0, max: 1.0 }, 7),
        (&Mala::from_delta(0.1), 7 + 1),
        (&Hmc { step_size: 0.1, n_leapfrog: 3, temperature: 1.0 }, 7 * 3 + 1),
    ];
    for (kernel, expected) in kernels {
        let counting = Counting(Cell::new(0));
        after(kernel, &counting, &noise(&[2, 3], DType::F32, 1), 7, 2);
        assert_eq!(counting.0.get(), expected);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_one_and_two_threads() {
    let kernels: [&(dyn Kernel + Sync); 4] = [
        &Clamped { inner: Langevin::from_delta(0.1), min: -1.0, max: 1.0 },
        &Mala::from_delta(0.02),
        &Hmc { step_size: 0.02, n_leapfrog: 2, temperature: 1.0 },
        &Nuts { step_size: 0.05, ..Nuts::default() },
    ];
    for kernel in kernels {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let x = noise(&[9, 3, 40, 40], DType::F32, 1);
                let run = run(kernel, &WELL, &x, 3, Key::new(3), &mut unobserved).unwrap();
                (bits(&run.x), run.trace)
            })
        };
        assert_eq!(on(1), on(2));
    }
}

#[test]
fn the_first_chains_of_a_batch_do_not_depend_on_its_size() {
    let x = noise(&[40, 1000], DType::F32, 1);
    let nuts = Nuts { step_size: 0.05, ..Nuts::default() };
    for kernel in [&Langevin::from_delta(0.1) as &dyn Kernel, &Mala::from_delta(0.1), &nuts] {
        let (all, first) =
            (after(kernel, &WELL, &x, 3, 4), after(kernel, &WELL, &x.narrow(0, 0, 7).unwrap(), 3, 4));
        assert_eq!(bits(&all.narrow(0, 0, 7).unwrap()), bits(&first));
    }
}

#[test]
fn half_precision_takes_the_route_of_tensor_operations_to_the_same_place() -> Outcome {
    let x = noise(&[4, 3, 5, 5], DType::F32, 1).clamp(-1.0, 1.0)?;
    let normal = Normal { mean: 0.1, std_dev: 1.0 };
    let kernels: [&dyn Kernel; 3] = [
        &Clamped { inner: Langevin::from_delta(0.3), min: -1.0, max: 1.0 },
        &Langevin::from_delta(0.3).noise_free(),
        &Hmc { step_size: 0.1, n_leapfrog: 2, temperature: 1.0 },
    ];
    for kernel in kernels {
        let half = values(&after(kernel, &normal, &x.to_dtype(DType::BF16)?, 1, 2));
        for (half, full) in half.iter().zip(values(&after(kernel, &normal, &x, 1, 2))) {
            assert!((half - full).abs() < 0.03, "{half} against {full}");
        }
    }
    Ok(())
}

#[test]
fn a_run_is_its_steps_with_folded_keys() -> Outcome {
    let (mala, x) = (Mala::from_delta(0.1), noise(&[5, 3], DType::F32, 1));
    let mut chain = Chain::new(x.clone())?;
    let mut energies = Vec::new();
    for t in 0..4 {
        let (next, info) = mala.step(&WELL, chain, Key::new(5).fold(t).into())?;
        energies.push(info.energy.mean_all()?.to_scalar::<f32>()?);
        chain = next;
    }
    let run = run(&mala, &WELL, &x, 4, Key::new(5), &mut unobserved)?;
    assert_eq!(bits(&run.x), bits(chain.x()));
    assert_eq!(run.trace.len(), 4);
    for (a, b) in run.trace.energy.iter().zip(energies) {
        assert!((a - f64::from(b)).abs() < 1e-5);
    }
    Ok(())
}

#[test]
fn the_trace_reports_energy_and_gradient_norm_where_the_gradient_was_taken() -> Outcome {
    // U = |x|^2 / 2: the gradient is x, and a noise-free step of 1/2 halves it.
    let x = Tensor::new(&[[3f32, 4.0], [6.0, 8.0]], &Device::Cpu)?;
    let descent = Langevin { step_size: 0.5, noise_scale: 1.0 }.noise_free();
    let run = run(&descent, &Normal { mean: 0.0, std_dev: 1.0 }, &x, 2, Key::new(0), &mut unobserved)?;
    assert_eq!(values(&run.x), [0.75, 1.0, 1.5, 2.0]);
    assert_eq!(run.trace.energy, [31.25, 7.8125]);
    assert_eq!(run.trace.grad_norm, [7.5, 3.75]);
    assert_eq!(run.trace.acceptance, None);
    assert_eq!(run.trace.first_non_finite(), None);
    Ok(())
}

#[test]
fn clamped_langevin_is_langevin_then_a_clamp() {
    let langevin = Langevin::from_delta(0.7);
    let clamped = Clamped { inner: langevin, min: -0.5, max: 0.8 };
    let mut expected = noise(&[20, 30], DType::F32, 1);
    let x = after(&clamped, &WELL, &expected, 4, 6);
    for t in 0..4 {
        let (chain, _) =
            langevin.step(&WELL, Chain::new(expected).unwrap(), Key::new(6).fold(t).into()).unwrap();
        expected = chain.x().clamp(-0.5, 0.8).unwrap();
    }
    assert_eq!(bits(&x), bits(&expected));
    assert!(values(&x).contains(&-0.5) && values(&x).iter().all(|x| (-0.5..=0.8f32 as f64).contains(x)));
}

#[test]
fn zero_steps_return_the_start() -> Outcome {
    let x = noise(&[2, 3, 4, 4], DType::F32, 1);
    let run = run(&Mala::from_delta(0.1), &WELL, &x, 0, Key::new(0), &mut unobserved)?;
    assert_eq!(bits(&run.x), bits(&x));
    assert!(run.trace.is_empty() && run.trace.acceptance.is_none() && run.trace.mean_acceptance().is_none());
    Ok(())
}

/// A wall of NaN at 1.
struct Broken;

impl Energy for Broken {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let wall = x.affine(-1.0, 1.0)?.log()?; // NaN above 1
        Ok(ValueAndGrad { energy: wall.flatten_from(1)?.sum(1)?, grad: x.affine(0.0, -1.0)? })
    }
}

#[test]
fn a_broken_energy_is_reported_by_langevin_and_never_entered_by_adjusted_kernels() -> Outcome {
    let x = Tensor::zeros((50, 1), DType::F32, &Device::Cpu)?;
    let ran =
        run(&Langevin { step_size: 0.3, noise_scale: 0.0 }, &Broken, &x, 6, Key::new(0), &mut unobserved)?;
    assert_eq!(ran.trace.first_non_finite(), Some(4)); // after 4 steps of 0.3 the chains are at 1.2
    let hmc = Hmc { step_size: 0.5, n_leapfrog: 3, temperature: 1.0 };
    let nuts = Nuts { step_size: 0.5, ..Nuts::default() };
    for kernel in [&Mala::from_delta(0.9) as &dyn Kernel, &hmc, &nuts] {
        let ran = run(kernel, &Broken, &x, 20, Key::new(1), &mut unobserved)?;
        assert!(values(&ran.x).iter().all(|&x| x < 1.0));
        assert_eq!(ran.trace.first_non_finite(), None);
        assert!(ran.trace.acceptance.unwrap().iter().all(|p| (0.0..1.0).contains(p)));
    }
    Ok(())
}

#[test]
fn the_observer_sees_every_position_and_can_stop() -> Outcome {
    let (langevin, x) = (Langevin::from_delta(0.1), noise(&[2, 3], DType::F32, 1));
    let mut seen = Vec::new();
    let ran = run(&langevin, &WELL, &x, 3, Key::new(0), &mut |progress| {
        seen.push((progress.step, bits(progress.x)));
        Ok(())
    })?;
    assert_eq!(seen.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(seen[2].1, bits(&ran.x));
    assert_eq!(seen[1].1, bits(&after(&langevin, &WELL, &x, 2, 0)));

    let stopped = run(&langevin, &WELL, &x, 3, Key::new(0), &mut |progress| {
        if progress.step == 1 { Err("enough".into()) } else { Ok(()) }
    });
    let error = stopped.unwrap_err();
    assert!(matches!(error, Error::Stopped { level: 0, step: 1, .. }));
    assert!(error.to_string().ends_with("enough"));
    Ok(())
}

#[test]
fn numbers_out_of_range_are_errors_that_name_them() {
    let x = noise(&[2, 3], DType::F32, 1);
    let hmc = Hmc { step_size: 0.1, n_leapfrog: 1, temperature: 1.0 };
    let nuts = Nuts::default();
    let cases: [(&dyn Kernel, &str); 13] = [
        (&Langevin { step_size: -1.0, noise_scale: 0.0 }, "step_size = -1"),
        (&Langevin { step_size: f64::NAN, noise_scale: 0.0 }, "step_size = NaN"),
        (&Langevin { step_size: 0.0, noise_scale: f64::INFINITY }, "noise_scale = inf"),
        (&Mala { step_size: 0.0, temperature: 1.0 }, "step_size = 0"),
        (&Mala { step_size: 0.1, temperature: 0.0 }, "temperature = 0"),
        (&Hmc { n_leapfrog: 0, ..hmc }, "n_leapfrog = 0"),
        (&Hmc { temperature: -1.0, ..hmc }, "temperature = -1"),
        (&Nuts { step_size: -0.1, ..nuts }, "step_size = -0.1"),
        (&Nuts { max_depth: 25, ..nuts }, "max_depth = 25"),
        (&Nuts { max_energy_error: f64::NAN, ..nuts }, "max_energy_error = NaN"),
        (&Nuts { temperature: 0.0, ..nuts }, "temperature = 0"),
        (&Clamped { inner: Langevin::from_delta(0.1), min: 1.0, max: -1.0 }, "max = -1"),
        (&Clamped { inner: Langevin::from_delta(0.1), min: f64::NAN, max: 1.0 }, "min = NaN"),
    ];
    for (kernel, expected) in cases {
        let error = run(kernel, &WELL, &x, 1, Key::new(0), &mut unobserved).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let scalar = Tensor::new(1f32, &Device::Cpu).unwrap();
    let error = run(&hmc, &WELL, &scalar, 1, Key::new(0), &mut unobserved).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }));
}

/// Sums over the chains too: the mistake of a mean reduction.
struct Summed;

impl Energy for Summed {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        Ok(WELL.energy(x)?.sum_all()?)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        Ok(ValueAndGrad { energy: self.energy(x)?, grad: WELL.value_and_grad(x)?.grad })
    }
}

#[test]
fn an_energy_that_is_not_per_chain_is_refused() {
    let x = noise(&[2, 3], DType::F32, 1);
    let error = run(&Langevin::from_delta(0.1), &Summed, &x, 1, Key::new(0), &mut unobserved).unwrap_err();
    assert!(error.to_string().contains("expected [2]"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The fused loops against tensor operations, over shapes, views and both types.
    #[test]
    fn a_langevin_step_is_equation_6(
        (n, c, s) in (1usize..6, 1usize..4, 1usize..9), turned: bool, double: bool,
        noise_scale in 0.0f64..0.5, seed: u64,
    ) {
        let dtype = if double { DType::F64 } else { DType::F32 };
        let x = noise(&[n, c, s, s], dtype, 1);
        let x = if turned { x.transpose(2, 3).unwrap() } else { x };
        let langevin = Langevin { step_size: 0.1, noise_scale };
        let (chain, info) = langevin.step(&WELL, Chain::new(x.clone()).unwrap(), Key::new(seed).into()).unwrap();
        let grad = WELL.value_and_grad(&x).unwrap().grad;
        let z = ChainKey::from(Key::new(seed).named("noise")).normal_like(&x).unwrap();
        let expected = ((&x - (&grad * 0.1).unwrap()).unwrap() + (z * noise_scale).unwrap()).unwrap();
        for (a, b) in values(chain.x()).iter().zip(values(&expected)) {
            prop_assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()));
        }
        let norms = grad.sqr().unwrap().flatten_from(1).unwrap().sum(1).unwrap().sqrt().unwrap();
        for (a, b) in values(&info.grad_norm).iter().zip(values(&norms)) {
            prop_assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()));
        }
    }

    #[test]
    fn clamped_chains_stay_within_their_bounds(min in -2.0f64..0.0, width in 0.0f64..2.0, seed: u64) {
        let clamped = Clamped { inner: Langevin { step_size: 0.1, noise_scale: 2.0 }, min, max: min + width };
        let x = values(&after(&clamped, &WELL, &noise(&[7, 5], DType::F64, 1), 3, seed));
        prop_assert!(x.iter().all(|x| (min..=min + width).contains(x)));
    }
}
