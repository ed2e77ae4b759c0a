//! Warm-up: step sizes and scales that suit the target, and the exact law afterwards.

use candle_core::{DType, Device, Tensor};
use mg_energy::toy::{CorrelatedNormal, Normal};
use mg_langevin::{Adaptable, Chain, Error, Exact, Hmc, Kernel, Mala, Nuts, Scaled, Warmup, run, unobserved};
use mg_random::Key;

use crate::support::{Outcome, after, assert_mean, bits, noise, values};

const DEVIATIONS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// Independent normals of very different deviations around these.
fn uneven() -> CorrelatedNormal {
    let mut precision = [[0.0; 4]; 4];
    (0..4).for_each(|i| precision[i][i] = DEVIATIONS[i].powi(-2));
    CorrelatedNormal {
        mean: Tensor::new(&DEVIATIONS, &Device::Cpu).unwrap(),
        precision: Tensor::new(&precision, &Device::Cpu).unwrap(),
    }
}

fn check<K: Adaptable + Exact>(name: &str, kernel: &K, excess: f64) -> Outcome {
    let start = noise(&[200, 4], DType::F64, 1);
    let warm = Warmup { n_steps: 600, ..Warmup::default() }.run(kernel, &uneven(), &start, Key::new(2))?;
    let scale = warm.kernel.scale().ok_or("no scale")?.flatten_all()?.to_vec1::<f64>()?;
    for (found, expected) in scale.iter().zip(DEVIATIONS) {
        // Variances are drawn a little towards a thousandth, which shows in the least of them.
        assert!((found / expected).ln().abs() < 0.25, "{name}: scales {scale:?}");
    }
    let ran = run(&warm.kernel, &uneven(), &warm.x, 30, Key::new(3), &mut unobserved)?;
    let (acceptance, target) = (ran.trace.mean_acceptance().unwrap(), kernel.target_acceptance());
    assert!(acceptance > target - 0.06, "{name} accepts {acceptance}, not {target}");
    assert!(acceptance < target + excess, "{name} accepts {acceptance}, not {target}");
    let x = values(&ran.x);
    for (i, s) in DEVIATIONS.into_iter().enumerate() {
        let centred = x.chunks_exact(4).map(|x| x[i] / s - 1.0);
        assert_mean(&format!("{name}, mean of {i}"), centred.clone(), 0.0);
        assert_mean(&format!("{name}, variance of {i}"), centred.map(|x| x * x), 1.0);
    }
    Ok(())
}

#[test]
fn every_adaptable_kernel_finds_scales_and_its_acceptance_and_is_exact_then() -> Outcome {
    check("mala", &Mala { step_size: 1e-3, temperature: 1.0 }, 0.06)?;
    // Where all directions are equally long, some long steps return to where they began, and all of them are accepted.
    check("hmc", &Hmc { step_size: 1e-2, n_leapfrog: 3, temperature: 1.0 }, 0.34)?;
    check("nuts", &Nuts::default(), 0.08)
}

#[test]
fn a_wanted_acceptance_is_reached_without_scales() -> Outcome {
    let normal = Normal { mean: 0.0, std_dev: 0.2 };
    let start = noise(&[100, 5], DType::F32, 4);
    for wanted in [0.5, 0.9] {
        let warmup = Warmup { n_steps: 300, scales: false, target: Some(wanted) };
        let warm = warmup.run(&Mala { step_size: 1.0, temperature: 1.0 }, &normal, &start, Key::new(5))?;
        assert!(warm.kernel.scale().is_none());
        let ran = run(&warm.kernel, &normal, &warm.x, 40, Key::new(6), &mut unobserved)?;
        assert!((ran.trace.mean_acceptance().unwrap() - wanted).abs() < 0.03);
    }
    Ok(())
}

#[test]
fn warming_up_gives_the_same_bits_on_one_and_two_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let normal = Normal { mean: 0.0, std_dev: 0.3 };
            let start = noise(&[20, 1_000], DType::F32, 1);
            let warmup = Warmup { n_steps: 25, ..Warmup::default() };
            let warm = warmup.run(&Nuts::default(), &normal, &start, Key::new(7)).unwrap();
            (bits(&warm.x), warm.kernel.step_size().to_bits())
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn a_scale_is_a_change_of_coordinates() -> Outcome {
    // N(0, diag(s^2)) in coordinates x / s is N(0, I): the same numbers, times s.
    let (hmc, start) =
        (Hmc { step_size: 0.9, n_leapfrog: 3, temperature: 1.0 }, noise(&[50, 4], DType::F64, 1));
    let scale = Tensor::new(&DEVIATIONS, &Device::Cpu)?;
    let target = CorrelatedNormal { mean: scale.zeros_like()?, ..uneven() };
    let begin = start.broadcast_mul(&scale)?;
    let scaled = after(&Scaled::new(hmc, &scale)?, &target, &begin, 8, 9);
    let plain = after(&hmc, &Normal { mean: 0.0, std_dev: 1.0 }, &start, 8, 9);
    for (a, b) in values(&scaled.broadcast_div(&scale)?).iter().zip(values(&plain)) {
        assert!((a - b).abs() < 1e-9, "{a} against {b}");
    }
    Ok(())
}

#[test]
fn rejected_chains_keep_their_bits_in_any_coordinates() -> Outcome {
    let normal = Normal { mean: 0.0, std_dev: 1e-3 };
    let x = noise(&[30, 3], DType::F32, 2);
    let scale = Tensor::new(&[0.3, 0.7, 1.1], &Device::Cpu)?;
    let scaled = Scaled::new(Mala { step_size: 1.0, temperature: 1.0 }, &scale)?;
    let (chain, info) = scaled.step(&normal, Chain::new(x.clone())?, Key::new(3).into())?;
    assert!(values(&info.acceptance.ok_or("none")?).iter().all(|&p| p == 0.0));
    assert_eq!(bits(chain.x()), bits(&x));
    Ok(())
}

#[test]
fn what_cannot_be_warmed_up_is_refused() -> Outcome {
    let (normal, x) = (Normal { mean: 0.0, std_dev: 1.0 }, noise(&[3, 2], DType::F32, 2));
    let refused =
        |warmup: Warmup, nuts: Nuts| warmup.run(&nuts, &normal, &x, Key::new(1)).unwrap_err().to_string();
    let error = refused(Warmup { target: Some(1.0), ..Warmup::default() }, Nuts::default());
    assert!(error.starts_with("target = 1"), "{error}");
    let error = refused(Warmup::default(), Nuts { step_size: 0.0, ..Nuts::default() });
    assert!(error.starts_with("step_size = 0"), "{error}");
    for scale in [[1.0, 0.0], [1.0, -1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
        let scaled = Scaled::new(Nuts::default(), &Tensor::new(&scale, &Device::Cpu)?);
        assert!(matches!(scaled, Err(Error::Scale { .. })), "{scale:?}");
    }
    let three = Scaled::new(Nuts::default(), &Tensor::new(&[1.0, 1.0, 1.0], &Device::Cpu)?)?;
    assert!(run(&three, &normal, &x, 1, Key::new(1), &mut unobserved).is_err());
    Ok(())
}
