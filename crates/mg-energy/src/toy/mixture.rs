use candle_core::{D, DType, Device, Tensor};
use mg_random::Key;

use crate::energy_fn::by_autograd;
use crate::{Energy, Result, ValueAndGrad};

/// Equal parts of k normal laws in d dimensions, U(x) = -log of the sum over k of exp(-|x - mean_k|^2 / (2 std_dev^2)), so
/// log Z = log k + (d / 2) log(2 pi std_dev^2).
#[derive(Clone, Debug)]
pub struct Mixture {
    /// The means, [k, d]; at least one.
    pub means: Tensor,
    /// Standard deviation of every part in every dimension; positive.
    pub std_dev: f64,
}

impl Mixture {
    /// `k` parts on a circle around 0; eight of them are the usual "eight Gaussians".
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn on_circle(k: usize, radius: f64, std_dev: f64) -> Result<Self> {
        let turn = std::f64::consts::TAU / k as f64;
        let mean = |i: usize| [radius * (turn * i as f64).cos(), radius * (turn * i as f64).sin()];
        let means: Vec<f64> = (0..k).flat_map(mean).collect();
        Ok(Mixture { means: Tensor::from_vec(means, (k, 2), &Device::Cpu)?, std_dev })
    }

    /// `side` x `side` parts on a square lattice around 0; 5 x 5 are the usual "25 Gaussians".
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn on_lattice(side: usize, spacing: f64, std_dev: f64) -> Result<Self> {
        let place = |i: usize| spacing * (i as f64 - 0.5 * (side as f64 - 1.0));
        let mean = |i: usize| [place(i / side), place(i % side)];
        let means: Vec<f64> = (0..side * side).flat_map(mean).collect();
        Ok(Mixture { means: Tensor::from_vec(means, (side * side, 2), &Device::Cpu)?, std_dev })
    }

    /// log of the integral of exp(-U).
    ///
    /// # Errors
    /// When the means are not [k, d].
    pub fn log_normalizer(&self) -> Result<f64> {
        let (k, d) = self.means.dims2()?;
        let variance = self.std_dev * self.std_dev;
        Ok((k as f64).ln() + 0.5 * d as f64 * (std::f64::consts::TAU * variance).ln())
    }

    /// Independent draws, [n, d] in double precision; draw i depends on the key and i alone.
    ///
    /// # Errors
    /// When the means are not [k, d].
    pub fn draw(&self, n: usize, key: Key) -> Result<Tensor> {
        let means = self.means.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let draw = |i: usize| {
            let mut stream = key.fold(i as u64).stream();
            let mean = &means[stream.below(means.len() as u64) as usize];
            mean.iter().map(move |mean| mean + self.std_dev * f64::from(stream.normal()))
        };
        let points: Vec<f64> = (0..n).flat_map(draw).collect();
        Ok(Tensor::from_vec(points, (n, self.means.dim(1)?), &Device::Cpu)?)
    }

    fn at(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let means = self.means.to_dtype(x.dtype())?.to_device(x.device())?.unsqueeze(0)?; // [1, k, d]
        let apart = x.flatten_from(1)?.unsqueeze(1)?.broadcast_sub(&means)?; // [n, k, d]
        let exponents = (apart.sqr()?.sum(D::Minus1)? * (-0.5 / (self.std_dev * self.std_dev)))?; // [n, k]
        let greatest = exponents.max_keepdim(1)?.detach();
        let sum = exponents.broadcast_sub(&greatest)?.exp()?.sum(1)?;
        (sum.log()? + greatest.squeeze(1)?)?.neg()
    }
}

impl Energy for Mixture {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.at(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, |x| self.at(x))
    }
}
