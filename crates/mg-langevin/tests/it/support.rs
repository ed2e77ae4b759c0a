//! What the claims share.

use candle_core::{DType, Device, Tensor};
use mg_energy::Energy;
use mg_langevin::{ChainKey, Kernel, run, unobserved};
use mg_random::Key;

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Normal noise as a place to start from.
pub(crate) fn noise(shape: &[usize], dtype: DType, seed: u64) -> Tensor {
    let like = Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    ChainKey::from(Key::new(seed)).normal_like(&like).unwrap()
}

/// Where `n_steps` steps lead.
pub(crate) fn after(
    kernel: &dyn Kernel,
    energy: &dyn Energy,
    x: &Tensor,
    n_steps: usize,
    seed: u64,
) -> Tensor {
    run(kernel, energy, x, n_steps, Key::new(seed), &mut unobserved).unwrap().x
}

/// All values, in double precision.
pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// All values as bits, so that NaN equals itself and 0 differs from -0.
pub(crate) fn bits(x: &Tensor) -> Vec<u32> {
    x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// Fails unless the mean of independent draws lies within five standard errors of `expected`.
#[track_caller]
pub(crate) fn assert_mean(what: &str, draws: impl Iterator<Item = f64> + Clone, expected: f64) {
    let n = draws.clone().count() as f64;
    let mean = draws.clone().sum::<f64>() / n;
    let variance = draws.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let standard_error = (variance / n).sqrt();
    assert!(
        (mean - expected).abs() < 5.0 * standard_error,
        "{what}: {mean} +- {standard_error}, expected {expected}"
    );
}

/// Expectation of `f` under the density proportional to exp(-u) on [from, to], by the trapezoidal rule.
pub(crate) fn expectation(u: impl Fn(f64) -> f64, f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let n = 20_000;
    let (mut sum, mut weight) = (0.0, 0.0);
    for i in 0..=n {
        let x = from + (to - from) * f64::from(i) / f64::from(n);
        let w = (-u(x)).exp() * if i == 0 || i == n { 0.5 } else { 1.0 };
        sum += w * f(x);
        weight += w;
    }
    sum / weight
}
