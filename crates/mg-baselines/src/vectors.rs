//! What deep generative models of vectors are made of: nets of fully connected layers, and distributions that nets describe.

use std::f64::consts::PI;

use candle_core::{D, Device, Result, Tensor};
use mg_kernels::{Activation, MapLayer, MapShape, Norm};
use mg_langevin::ChainKey;

use crate::losses::{log_softmax, softplus};

/// A net from vectors to vectors with `hidden` layers of `width` numbers.
pub(crate) fn mlp(
    (inputs, outputs): (usize, usize),
    (width, hidden): (usize, usize),
    norm: Norm,
    activation: Activation,
) -> MapShape {
    let layer = |from: usize, to: usize| MapLayer::down((from, to), 1, 1, (0, 0));
    let from = |number: usize| if number == 0 { inputs } else { width };
    let mut layers: Vec<MapLayer> = (0..hidden)
        .map(|number| layer(from(number), width).with_norm(norm).with_activation(activation))
        .collect();
    layers.push(layer(from(hidden), outputs));
    MapShape { channels: inputs, side: 1, layers }
}

/// Rows [n, d] next to each other, as a net takes vectors: [n, d1 + d2 + ..., 1, 1].
pub(crate) fn beside(rows: &[&Tensor]) -> Result<Tensor> {
    Tensor::cat(rows, 1)?.unsqueeze(2)?.unsqueeze(3)
}

/// Independent normal numbers, a row of them each: [n, d].
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    pub(crate) mean: Tensor,
    log_variance: Tensor,
}

/// log(2 pi).
fn log_two_pi() -> f64 {
    (2.0 * PI).ln()
}

impl Normal {
    /// What a net with twice as many outputs [n, 2 d, 1, 1] describes: means, then log variances.
    pub(crate) fn of(outputs: &Tensor) -> Result<Self> {
        let rows = outputs.flatten_from(1)?;
        let d = rows.dim(1)? / 2;
        Ok(Normal { mean: rows.narrow(1, 0, d)?, log_variance: rows.narrow(1, d, d)? })
    }

    /// The same distributions `times` times one after the other, [times n, d].
    pub(crate) fn repeat(&self, times: usize) -> Result<Self> {
        Ok(Normal {
            mean: self.mean.repeat((times, 1))?,
            log_variance: self.log_variance.repeat((times, 1))?,
        })
    }

    /// What standard normal `noise` [n, d] becomes.
    pub(crate) fn draw(&self, noise: &Tensor) -> Result<Tensor> {
        &self.mean + ((&self.log_variance * 0.5)?.exp()? * noise)?
    }

    /// Log densities of rows [n, d]: [n].
    pub(crate) fn log_density(&self, x: &Tensor) -> Result<Tensor> {
        let apart = ((x - &self.mean)?.sqr()? * self.log_variance.neg()?.exp()?)?;
        ((apart + &self.log_variance)? + log_two_pi())?.sum(D::Minus1)? * -0.5
    }

    /// Entropies, [n].
    pub(crate) fn entropy(&self) -> Result<Tensor> {
        (&self.log_variance + (1.0 + log_two_pi()))?.sum(D::Minus1)? * 0.5
    }

    /// KL divergences from the standard normal distribution, [n].
    pub(crate) fn divergence(&self) -> Result<Tensor> {
        let rest = ((self.mean.sqr()? + self.log_variance.exp()?)? - &self.log_variance)?;
        (rest - 1.0)?.sum(D::Minus1)? * 0.5
    }
}

/// Log probabilities of rows of values in [0, 1], [n, d], as independent coins whose logits a net gives, [n, d, 1, 1]: [n].
pub(crate) fn log_coins(logits: &Tensor, x: &Tensor) -> Result<Tensor> {
    let logits = logits.flatten_from(1)?;
    ((x * &logits)? - softplus(&logits)?)?.sum(D::Minus1)
}

/// A bound on log p(x) out of bounds on log p(x, y) for every class y, and what is said of y: the expected bound under
/// q(y | x), and the entropy of that (equation 7 of Kingma et al., NIPS 2014). Bounds [K n], class by class; scores [n, K, 1, 1];
/// the result [n].
pub(crate) fn marginal(bounds: &Tensor, scores: &Tensor) -> Result<Tensor> {
    let said = log_softmax(&scores.flatten_from(1)?)?; // [n, K]
    let (n, classes) = said.dims2()?;
    let bounds = bounds.reshape((classes, n))?.t()?;
    (said.exp()? * (bounds - &said)?)?.sum(D::Minus1)
}

/// Every class for each of `n` rows, class by class: [classes n, classes] of ones and zeros.
pub(crate) fn every_class(n: usize, classes: usize, like: &Tensor) -> Result<Tensor> {
    let rows = Tensor::eye(classes, like.dtype(), like.device())?;
    rows.unsqueeze(1)?.broadcast_as((classes, n, classes))?.reshape((classes * n, classes))
}

/// Standard normal rows [rows, numbers]; those of a row depend on its number alone.
pub(crate) fn normal_rows(key: ChainKey, (rows, numbers): (usize, usize), device: &Device) -> Result<Tensor> {
    let mut values = vec![0f32; rows * numbers];
    key.key.fill_normal_from((key.first * numbers) as u64, &mut values);
    Tensor::from_vec(values, (rows, numbers), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &Tensor, expected: &[f64]) {
        let found = found.to_vec1::<f64>().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn normal_numbers_have_their_densities_and_divergences() {
        let outputs = Tensor::new(&[[1.0f64, -2.0, 0.0, 2f64.ln()]], &Device::Cpu).unwrap();
        let normal = Normal::of(&outputs.unsqueeze(2).unwrap().unsqueeze(3).unwrap()).unwrap();
        let x = Tensor::new(&[[2.0f64, 0.0]], &Device::Cpu).unwrap();
        // Variances 1 and 2: -(1 + 2 + ln 2 + 2 ln 2 pi) / 2; KL: (1 + 1 - 1 - 0) / 2 + (4 + 2 - 1 - ln 2) / 2.
        let (two, log_two_pi) = (2f64.ln(), log_two_pi());
        close(&normal.log_density(&x).unwrap(), &[-0.5 * (3.0 + two + 2.0 * log_two_pi)]);
        close(&normal.entropy().unwrap(), &[0.5 * (two + 2.0 * (1.0 + log_two_pi))]);
        close(&normal.divergence().unwrap(), &[0.5 * (1.0 + 5.0 - two)]);
        close(&normal.draw(&x).unwrap().flatten_all().unwrap(), &[3.0, -2.0]);
    }

    #[test]
    fn a_marginal_of_exact_joints_is_exact() {
        // With log p(x, y) for bounds, and q(y | x) what follows of them, the bound on log p(x) is log p(x).
        let joint = [[-1.0f64, -3.0, -0.5], [-2.0, -2.5, -4.0]]; // [n, K]
        let scores = Tensor::new(&joint, &Device::Cpu).unwrap();
        let bounds = scores.t().unwrap().flatten_all().unwrap();
        let expected = joint.map(|row| row.iter().map(|value| value.exp()).sum::<f64>().ln());
        let scores = scores.unsqueeze(2).unwrap().unsqueeze(3).unwrap();
        close(&marginal(&bounds, &scores).unwrap(), &expected);
        let classes = every_class(2, 3, &scores).unwrap().argmax(1).unwrap().to_vec1::<u32>().unwrap();
        assert_eq!(classes, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn coins_have_their_log_probabilities() {
        let logits = Tensor::new(&[[0.3f64, -1.2]], &Device::Cpu).unwrap();
        let x = Tensor::new(&[[1.0f64, 0.25]], &Device::Cpu).unwrap();
        let p = [0.3f64, -1.2].map(|logit| 1.0 / (1.0 + (-logit).exp()));
        let expected = p[0].ln() + 0.25 * p[1].ln() + 0.75 * (1.0 - p[1]).ln();
        close(&log_coins(&logits.unsqueeze(2).unwrap().unsqueeze(3).unwrap(), &x).unwrap(), &[expected]);
    }
}
