//! Observed pixels: the hidden ones follow their conditional law, the others do not move.

use candle_core::{DType, Device, Tensor};
use mg_energy::Energy;
use mg_energy::toy::{CorrelatedNormal, DoubleWell, Normal};
use mg_langevin::{Clamped, Hmc, Kernel, Langevin, Mala, Nuts, Observed, Within};

use crate::support::{Outcome, after, assert_mean, bits, noise, values};

const PRECISION: [[f64; 4]; 4] =
    [[2.0, 0.6, -0.4, 0.3], [0.6, 1.5, 0.5, -0.2], [-0.4, 0.5, 1.8, 0.7], [0.3, -0.2, 0.7, 1.6]];
const MEAN: [f64; 4] = [0.2, -0.3, 0.1, 0.4];
const IMAGE: [f64; 4] = [f64::NAN, 0.9, f64::NAN, -0.5];
const CHAINS: usize = 30_000;

fn target() -> CorrelatedNormal {
    CorrelatedNormal {
        mean: Tensor::new(&MEAN, &Device::Cpu).unwrap(),
        precision: Tensor::new(&PRECISION, &Device::Cpu).unwrap(),
    }
}

/// Pixels 0 and 2 of a 2 x 2 image are hidden, and hold no number.
fn observed<K>(inner: K) -> Observed<K> {
    let image = Tensor::new(&IMAGE, &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
    let image = image.broadcast_as((CHAINS, 1, 2, 2)).unwrap();
    let mask = Tensor::new(&[0u8, 1, 0, 1], &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
    Observed::new(inner, &mask, &image).unwrap()
}

/// Mean of pixels 0 and 2 given 1 and 3: mean_h - P_hh^-1 P_ho (x_o - mean_o).
fn conditional_mean() -> [f64; 2] {
    let p = PRECISION;
    let push = [0, 2].map(|h| [1, 3].map(|o| p[h][o] * (IMAGE[o] - MEAN[o])).iter().sum::<f64>());
    let inverse = inverse([[p[0][0], p[0][2]], [p[2][0], p[2][2]]]);
    [0, 1].map(|i| MEAN[2 * i] - inverse[i][0] * push[0] - inverse[i][1] * push[1])
}

fn inverse([[a, b], [c, d]]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let det = a * d - b * c;
    [[d / det, -b / det], [-c / det, a / det]]
}

#[track_caller]
fn assert_conditional(name: &str, x: &Tensor, covariance: [[f64; 2]; 2]) {
    let x = values(x);
    let mean = conditional_mean();
    let hidden = x.chunks_exact(4).map(|x| [x[0] - mean[0], x[2] - mean[1]]);
    assert_mean(&format!("{name}, mean of pixel 0"), hidden.clone().map(|x| x[0]), 0.0);
    assert_mean(&format!("{name}, mean of pixel 2"), hidden.clone().map(|x| x[1]), 0.0);
    assert_mean(&format!("{name}, variance of 0"), hidden.clone().map(|x| x[0] * x[0]), covariance[0][0]);
    assert_mean(&format!("{name}, variance of 2"), hidden.clone().map(|x| x[1] * x[1]), covariance[1][1]);
    assert_mean(&format!("{name}, covariance"), hidden.map(|x| x[0] * x[1]), covariance[0][1]);
    assert!(x.chunks_exact(4).all(|x| x[1] == IMAGE[1] && x[3] == IMAGE[3]), "{name} moved observed pixels");
}

#[test]
fn adjusted_kernels_sample_the_conditional_law_exactly() {
    let p = PRECISION;
    let covariance = inverse([[p[0][0], p[0][2]], [p[2][0], p[2][2]]]);
    let start = noise(&[CHAINS, 1, 2, 2], DType::F64, 1);
    let mala = observed(Mala { step_size: 0.25, temperature: 1.0 });
    assert_conditional("mala", &after(&mala, &target(), &start, 30, 2), covariance);
    let hmc = observed(Hmc { step_size: 0.5, n_leapfrog: 2, temperature: 1.0 });
    assert_conditional("hmc", &after(&hmc, &target(), &start, 30, 3), covariance);
    let nuts = observed(Nuts { step_size: 0.7, max_depth: 3, ..Nuts::default() });
    assert_conditional("nuts", &after(&nuts, &target(), &start, 20, 5), covariance);
}

#[test]
fn langevin_samples_the_conditional_law_with_its_known_bias() {
    // (P - step P^2 / 2)^-1 on the hidden block.
    let (p, step) = (PRECISION, 0.18);
    let [[a, b], [_, d]] = [[p[0][0], p[0][2]], [p[2][0], p[2][2]]];
    let square = [[a * a + b * b, b * (a + d)], [b * (a + d), b * b + d * d]];
    let covariance = inverse([
        [a - 0.5 * step * square[0][0], b - 0.5 * step * square[0][1]],
        [b - 0.5 * step * square[1][0], d - 0.5 * step * square[1][1]],
    ]);
    let start = noise(&[CHAINS, 1, 2, 2], DType::F64, 1);
    let langevin = observed(Langevin::from_delta(0.6));
    assert_conditional("langevin", &after(&langevin, &target(), &start, 30, 4), covariance);
}

#[test]
fn bounds_do_not_disturb_the_observed_pixels_of_an_adjusted_kernel() -> Outcome {
    // Observed pixels at the very border: a walk that left them free would be rejected half of the time.
    let normal = Normal { mean: 0.0, std_dev: 0.1 };
    let bounded = Within { energy: &normal, min: -1.0, max: 1.0 };
    let image = Tensor::ones((100, 1, 4, 4), DType::F32, &Device::Cpu)?;
    let mut mask = [1u8; 16];
    mask[5] = 0;
    let mask = Tensor::new(&mask, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
    let mala = Mala { step_size: 1e-5, temperature: 1.0 };
    let run = |kernel: &dyn Kernel, energy: &dyn Energy, x: &Tensor| {
        mg_langevin::run(kernel, energy, x, 20, mg_random::Key::new(1), &mut mg_langevin::unobserved)
    };
    let start = Observed::new(mala, &mask, &image)?.impose(&image.zeros_like()?)?;
    let trace = run(&Observed::new(mala, &mask, &image)?, &bounded, &start)?.trace;
    assert!(trace.mean_acceptance().unwrap() > 0.99, "{trace:?}");
    Ok(())
}

#[test]
fn an_empty_mask_returns_the_image() -> Outcome {
    let image = noise(&[3, 2, 4, 4], DType::F32, 5);
    let nothing_hidden = Tensor::ones((3, 1, 4, 4), DType::F32, &Device::Cpu)?;
    let elsewhere = noise(&[3, 2, 4, 4], DType::F32, 6);
    let langevin = Langevin { step_size: 0.1, noise_scale: 3.0 };
    let kernels: [&dyn Kernel; 6] = [
        &Observed::new(langevin, &nothing_hidden, &image)?,
        &Observed::new(Clamped { inner: langevin, min: -0.1, max: 0.1 }, &nothing_hidden, &image)?,
        &Observed::new(Mala { step_size: 1.0, temperature: 1.0 }, &nothing_hidden, &image)?,
        &Observed::new(Hmc { step_size: 1.0, n_leapfrog: 3, temperature: 1.0 }, &nothing_hidden, &image)?,
        &Observed::new(Nuts { step_size: 1.0, max_depth: 3, ..Nuts::default() }, &nothing_hidden, &image)?,
        &Observed::new(Box::new(langevin) as Box<dyn Kernel>, &nothing_hidden, &image)?,
    ];
    for kernel in kernels {
        let x = after(kernel, &DoubleWell { temperature: 0.2 }, &elsewhere, 3, 7);
        assert_eq!(bits(&x), bits(&image));
    }
    Ok(())
}

#[test]
fn a_full_mask_is_the_kernel_alone() -> Outcome {
    let x = noise(&[3, 2, 4, 4], DType::F32, 5);
    let all_hidden = Tensor::zeros((1, 1, 4, 4), DType::U8, &Device::Cpu)?;
    let nowhere = (x.zeros_like()? + f64::NAN)?;
    let well = DoubleWell { temperature: 0.2 };
    let mala = Mala { step_size: 0.1, temperature: 1.0 };
    let (alone, wrapped) = (mala, Observed::new(mala, &all_hidden, &nowhere)?);
    assert_eq!(bits(&after(&alone, &well, &x, 5, 8)), bits(&after(&wrapped, &well, &x, 5, 8)));
    Ok(())
}

#[test]
fn a_mask_that_does_not_fit_is_refused() {
    let image = noise(&[3, 2, 4, 4], DType::F32, 5);
    let mask = Tensor::ones((3, 1, 4, 5), DType::U8, &Device::Cpu).unwrap();
    let error = Observed::new(Langevin::from_delta(0.1), &mask, &image).unwrap_err().to_string();
    assert!(error.contains("[3, 1, 4, 5]") && error.contains("[3, 2, 4, 4]"), "{error}");
}
