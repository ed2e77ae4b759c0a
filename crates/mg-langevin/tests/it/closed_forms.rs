//! Stationary laws: exact where a kernel is exact, with its known bias where it is not.

use candle_core::{DType, Tensor};
use mg_energy::Energy;
use mg_energy::toy::{Banana, DoubleWell, Funnel, Mixture, Normal};
use mg_langevin::{Exact, Hmc, Kernel, Langevin, Mala, Nuts, Reflected, Within, run, unobserved};
use mg_random::Key;

use crate::support::{Outcome, after, assert_mean, expectation, noise, values};

const CHAINS: [usize; 2] = [1_000, 100];

#[test]
fn langevin_has_its_known_bias() {
    for (seed, (s, delta)) in [(1.0f64, 0.5f64), (0.7, 0.9), (2.0, 1.5)].into_iter().enumerate() {
        let target = Normal { mean: 0.2, std_dev: s };
        let x = noise(&CHAINS, DType::F32, 1);
        let x = values(&after(&Langevin::from_delta(delta), &target, &x, 60, seed as u64));
        let variance = s * s / (1.0 - delta * delta / (4.0 * s * s));
        assert_mean("mean", x.iter().copied(), 0.2);
        assert_mean("variance", x.iter().map(|x| (x - 0.2).powi(2)), variance);
    }
}

#[test]
fn langevin_with_its_own_noise_is_the_autoregression_that_it_is() {
    let target = Normal { mean: 0.0, std_dev: 0.8 };
    for (seed, (step_size, noise_scale)) in [(0.1, 0.1), (0.3, 1.0), (0.9, 0.02)].into_iter().enumerate() {
        let langevin = Langevin { step_size, noise_scale };
        let x = values(&after(&langevin, &target, &noise(&CHAINS, DType::F32, 1), 80, seed as u64));
        let coefficient: f64 = 1.0 - step_size / (0.8 * 0.8);
        let variance = noise_scale * noise_scale / (1.0 - coefficient * coefficient);
        assert_mean("variance", x.iter().map(|x| x * x), variance);
    }
}

#[test]
fn temperature_is_the_one_that_small_steps_sample() {
    let langevin = Langevin { step_size: 1e-3, noise_scale: 0.06 };
    let (temperature, s) = (langevin.temperature(), 0.1);
    assert!((temperature - 1.8).abs() < 1e-12);
    let x = after(&langevin, &Normal { mean: 0.0, std_dev: s }, &noise(&CHAINS, DType::F32, 1), 120, 3);
    let bias = 1.0 / (1.0 - langevin.step_size / (2.0 * s * s)); // 1.05
    assert_mean("variance", values(&x).iter().map(|x| x * x), temperature * s * s * bias);
    assert_eq!(Langevin::from_delta(0.3).temperature(), 1.0);
    assert_eq!(langevin.noise_free().temperature(), 0.0);
}

#[test]
fn adjusted_kernels_are_exact_on_a_normal_law() {
    for temperature in [1.0, 2.0] {
        let kernels: [(&str, &dyn Kernel); 3] = [
            ("mala", &Mala { step_size: 0.5, temperature }),
            ("hmc", &Hmc { step_size: 0.6, n_leapfrog: 3, temperature }),
            ("nuts", &Nuts { step_size: 0.9, temperature, ..Nuts::default() }),
        ];
        let target = Normal { mean: 0.3, std_dev: 0.8 };
        for (name, kernel) in kernels {
            let start = noise(&[20_000, 3], DType::F32, 1);
            let run = run(kernel, &target, &start, 40, Key::new(5), &mut unobserved).unwrap();
            let acceptance = run.trace.mean_acceptance().unwrap();
            assert!(
                acceptance > 0.3 && acceptance < 0.98,
                "{name} accepts {acceptance}: the test sees nothing"
            );
            // Coordinates of a chain share their rejections: average within chains first.
            let x = values(&run.x);
            let chains = x.chunks_exact(3);
            assert_mean(name, chains.clone().map(|x| x.iter().sum::<f64>() / 3.0), 0.3);
            let variance = temperature * 0.8 * 0.8;
            assert_mean(
                name,
                chains.map(|x| x.iter().map(|x| (x - 0.3).powi(2)).sum::<f64>() / 3.0),
                variance,
            );
        }
    }
}

#[test]
fn adjusted_kernels_are_exact_on_a_double_well() {
    let (well, u) = (DoubleWell { temperature: 0.5 }, |x: f64| (x * x - 1.0).powi(2) / 2.0);
    let kernels: [(&str, &dyn Kernel); 3] = [
        ("mala", &Mala { step_size: 0.15, temperature: 1.0 }),
        ("hmc", &Hmc { step_size: 0.45, n_leapfrog: 3, temperature: 1.0 }),
        ("nuts", &Nuts { step_size: 0.5, ..Nuts::default() }),
    ];
    for (name, kernel) in kernels {
        // Not from the tails: there a gradient step overshoots and a chain stays stuck, exact as it is.
        let start = noise(&[40_000, 1], DType::F32, 2).clamp(-1.0, 1.0).unwrap();
        let x = values(&after(kernel, &well, &start, 50, 6));
        for power in [1, 2, 4] {
            let expected = expectation(u, |x| x.powi(power), -5.0, 5.0);
            assert_mean(&format!("{name}, power {power}"), x.iter().map(|x| x.powi(power)), expected);
        }
        let shallow = expectation(u, |x| f64::from(x.abs() < 0.5), -5.0, 5.0);
        assert_mean(
            &format!("{name}, between the wells"),
            x.iter().map(|x| f64::from(x.abs() < 0.5)),
            shallow,
        );
    }
}

/// Draws of a law stay draws of it, also where steps are too long for parts of it and trajectories diverge.
#[test]
fn adjusted_kernels_keep_exact_draws_exact() -> Outcome {
    let (n, key) = (20_000, Key::new(4));
    let narrow = Banana { width: 0.3, curvature: 1.0, ..Banana::default() };
    let (funnel, mixture) = (Funnel { deviation: 1.5 }, Mixture::on_circle(3, 1.2, 0.5)?);
    let targets: [(&str, &dyn Energy, Tensor); 3] = [
        ("banana", &narrow, narrow.draw(n, key)?),
        ("funnel", &funnel, funnel.draw(n, 3, key)?),
        ("mixture", &mixture, mixture.draw(n, key)?),
    ];
    let kernels: [(&str, &dyn Kernel); 3] = [
        ("mala", &Mala { step_size: 0.1, temperature: 1.0 }),
        ("hmc", &Hmc { step_size: 0.4, n_leapfrog: 3, temperature: 1.0 }),
        ("nuts", &Nuts { step_size: 0.4, ..Nuts::default() }),
    ];
    for (target, energy, start) in &targets {
        let reference = energy.energy(start)?.to_vec1::<f64>()?;
        for (name, kernel) in kernels {
            let end = after(kernel, *energy, start, 6, 8);
            assert_ne!(values(&end), values(start));
            let energies = energy.energy(&end)?.to_vec1::<f64>()?;
            // Means over the same chains before and after: of the energy, and of how far out they lie.
            let gained = energies.iter().zip(&reference).map(|(after, before)| after - before);
            assert_mean(&format!("{name} on the {target}, energy"), gained, 0.0);
            let d = start.dim(1)?;
            for axis in 0..d {
                let bounded = |x: &Tensor| values(x).into_iter().skip(axis).step_by(d).map(f64::tanh);
                let moved = bounded(&end).zip(bounded(start)).map(|(a, b)| a - b).collect::<Vec<_>>();
                assert_mean(&format!("{name} on the {target}, axis {axis}"), moved.iter().copied(), 0.0);
                let squares = bounded(&end).zip(bounded(start)).map(|(a, b)| a * a - b * b);
                let squares = squares.collect::<Vec<_>>();
                assert_mean(
                    &format!("{name} on the {target}, square of {axis}"),
                    squares.iter().copied(),
                    0.0,
                );
            }
        }
    }
    Ok(())
}

#[test]
fn within_bounds_the_adjusted_kernels_are_exact_too() {
    let normal = Normal { mean: 0.5, std_dev: 1.0 };
    let bounded = Within { energy: &normal, min: -1.0, max: 1.0 };
    let start = noise(&[40_000, 1], DType::F32, 3).clamp(-1.0, 1.0).unwrap();
    let kernels: [&dyn Kernel; 3] = [
        &Mala { step_size: 0.2, temperature: 1.0 },
        &Hmc { step_size: 0.4, n_leapfrog: 2, temperature: 1.0 },
        &Nuts { step_size: 0.4, ..Nuts::default() },
    ];
    for kernel in kernels {
        let x = values(&after(kernel, &bounded, &start, 50, 7));
        assert!(x.iter().all(|x| x.abs() <= 1.0));
        for power in [1, 2, 3] {
            let expected = expectation(|x| (x - 0.5).powi(2) / 2.0, |x| x.powi(power), -1.0, 1.0);
            assert_mean(&format!("power {power}"), x.iter().map(|x| x.powi(power)), expected);
        }
    }
}

#[test]
fn between_mirrors_the_adjusted_kernels_are_exact_too() {
    let normal = Normal { mean: 0.5, std_dev: 1.0 };
    let start = noise(&[20_000, 2], DType::F32, 3).clamp(-1.0, 1.0).unwrap();
    let kernels: [&dyn Exact; 4] = [
        &Mala { step_size: 0.2, temperature: 1.0 },
        &Hmc { step_size: 0.7, n_leapfrog: 2, temperature: 1.0 },
        &Hmc { step_size: 1.1, n_leapfrog: 5, temperature: 1.0 }, // across the box more than once
        &Nuts { step_size: 0.7, max_depth: 5, ..Nuts::default() },
    ];
    for inner in kernels {
        let mirrored = Reflected { inner, min: -1.0, max: 1.0 };
        let x = values(&after(&mirrored, &normal, &start, 50, 7));
        assert!(x.iter().all(|x| x.abs() <= 1.0));
        for power in [1, 2, 3] {
            let expected = expectation(|x| (x - 0.5).powi(2) / 2.0, |x| x.powi(power), -1.0, 1.0);
            let chains = x.chunks_exact(2).map(|x| x.iter().map(|x| x.powi(power)).sum::<f64>() / 2.0);
            assert_mean(&format!("power {power}"), chains, expected);
        }
    }
}

#[test]
fn in_a_thousand_dimensions_mirrors_accept_where_walls_reject() {
    let nearly_flat = Normal { mean: 0.0, std_dev: 5.0 };
    let start = (noise(&[50, 1_000], DType::F32, 3).clamp(-1.0, 1.0).unwrap() * 0.9).unwrap();
    let mala = Mala { step_size: 0.02, temperature: 1.0 };
    let walls = Within { energy: &nearly_flat, min: -1.0, max: 1.0 };
    let rejected = run(&mala, &walls, &start, 5, Key::new(5), &mut unobserved).unwrap().trace;
    let mirrored = Reflected { inner: mala, min: -1.0, max: 1.0 };
    let accepted = run(&mirrored, &nearly_flat, &start, 5, Key::new(5), &mut unobserved).unwrap().trace;
    assert!(rejected.mean_acceptance() < Some(1e-6) && accepted.mean_acceptance() > Some(0.9));
}

#[test]
fn acceptance_tends_to_one_with_the_step() -> Outcome {
    let well = DoubleWell { temperature: 0.2 };
    let start = noise(&[4_000, 2], DType::F64, 4);
    let mean_rejection = |kernel: &dyn Kernel| -> Result<f64, mg_langevin::Error> {
        Ok(1.0
            - run(kernel, &well, &start, 10, Key::new(8), &mut unobserved)?.trace.mean_acceptance().unwrap())
    };
    let mala = |step_size| mean_rejection(&Mala { step_size, temperature: 1.0 });
    let hmc = |step_size| mean_rejection(&Hmc { step_size, n_leapfrog: 5, temperature: 1.0 });
    assert!(mala(0.1)? > 0.05 && mala(1e-3)? < mala(1e-2)? && mala(1e-5)? < 1e-3);
    assert!(hmc(0.3)? > 0.05 && hmc(1e-2)? < hmc(1e-1)? && hmc(1e-3)? < 1e-3);
    Ok(())
}

#[test]
fn hmc_with_one_leapfrog_step_is_mala() {
    let well = DoubleWell { temperature: 0.2 };
    let start = noise(&[500, 4], DType::F64, 5);
    for (delta, temperature) in [(0.3, 1.0), (0.5, 1.7)] {
        let mala = Mala { temperature, ..Mala::from_delta(delta) };
        let hmc = Hmc { step_size: delta, n_leapfrog: 1, temperature };
        let run = |kernel: &dyn Kernel| run(kernel, &well, &start, 5, Key::new(9), &mut unobserved).unwrap();
        let (mala, hmc) = (run(&mala), run(&hmc));
        for (a, b) in values(&mala.x).iter().zip(values(&hmc.x)) {
            assert!((a - b).abs() < 1e-9, "{a} against {b}");
        }
        let difference = mala.trace.mean_acceptance().unwrap() - hmc.trace.mean_acceptance().unwrap();
        assert!(difference.abs() < 1e-9);
    }
}
