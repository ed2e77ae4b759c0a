use candle_core::{Device, Tensor};
use mg_random::Key;

use crate::energy_fn::by_autograd;
use crate::{Energy, Result, ValueAndGrad};

/// Neal's funnel in two or more dimensions: v ~ N(0, deviation^2) is the first coordinate, and all others are N(0, exp(v))
/// (Neal, "Slice sampling", Annals of Statistics 31(3), 2003, section 8). Its neck is too narrow for any fixed step.
///
/// U = v^2 / (2 deviation^2) + (d - 1) v / 2 + exp(-v) |others|^2 / 2, so log Z = (d / 2) log(2 pi) + log deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Funnel {
    /// Standard deviation of the first coordinate; positive.
    pub deviation: f64,
}

impl Default for Funnel {
    /// Neal's, of deviation 3.
    fn default() -> Self {
        Funnel { deviation: 3.0 }
    }
}

impl Funnel {
    /// log of the integral of exp(-U) over d dimensions.
    pub fn log_normalizer(&self, d: usize) -> f64 {
        0.5 * d as f64 * std::f64::consts::TAU.ln() + self.deviation.ln()
    }

    /// Independent draws, [n, d] in double precision; draw i depends on the key and i alone.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn draw(&self, n: usize, d: usize, key: Key) -> Result<Tensor> {
        let draw = |i: usize| {
            let mut stream = key.fold(i as u64).stream();
            let v = self.deviation * f64::from(stream.normal());
            let scale = (0.5 * v).exp();
            (0..d).map(move |j| if j == 0 { v } else { scale * f64::from(stream.normal()) })
        };
        let points: Vec<f64> = (0..n).flat_map(draw).collect();
        Ok(Tensor::from_vec(points, (n, d), &Device::Cpu)?)
    }

    fn at(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let x = x.flatten_from(1)?;
        let others = x.dim(1)?.saturating_sub(1);
        if others == 0 {
            candle_core::bail!("a funnel needs two dimensions: chains have shape {:?}", x.dims());
        }
        let v = x.narrow(1, 0, 1)?.squeeze(1)?;
        let squares = x.narrow(1, 1, others)?.sqr()?.sum(1)?;
        let neck = (v.neg()?.exp()? * squares)?;
        let volume = (&v * others as f64)?;
        (((v / self.deviation)?.sqr()? + neck)? + volume)? * 0.5
    }
}

impl Energy for Funnel {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.at(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, |x| self.at(x))
    }
}
