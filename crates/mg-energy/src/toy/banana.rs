use candle_core::{Device, Tensor};
use mg_random::Key;

use super::plane::coordinates;
use crate::energy_fn::by_autograd;
use crate::{Energy, Result, ValueAndGrad};

/// A bent ridge: x ~ N(centre, spread^2), and y ~ N(curvature x^2, width^2) given x. With U the squares in the exponent,
/// log Z = log(2 pi spread width).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Banana {
    /// Mean of x.
    pub centre: f64,
    /// Standard deviation of x; positive.
    pub spread: f64,
    /// How much the ridge bends.
    pub curvature: f64,
    /// Standard deviation across the ridge; positive.
    pub width: f64,
}

impl Default for Banana {
    /// A ridge that no single scale suits: y = x^2 / 2, with a width of 1/2.
    fn default() -> Self {
        Banana { centre: 0.0, spread: 1.0, curvature: 0.5, width: 0.5 }
    }
}

impl Banana {
    /// Rosenbrock's function over 20, ((1 - x)^2 + 100 (y - x^2)^2) / 20 (Goodman and Weare, CAMCoS 5(1), 2010).
    pub fn rosenbrock() -> Self {
        Banana { centre: 1.0, spread: 10_f64.sqrt(), curvature: 1.0, width: 0.1_f64.sqrt() }
    }

    /// log of the integral of exp(-U).
    pub fn log_normalizer(&self) -> f64 {
        (std::f64::consts::TAU * self.spread * self.width).ln()
    }

    /// Independent draws, [n, 2] in double precision; draw i depends on the key and i alone.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn draw(&self, n: usize, key: Key) -> Result<Tensor> {
        let draw = |i: usize| {
            let mut stream = key.fold(i as u64).stream();
            let x = self.centre + self.spread * f64::from(stream.normal());
            [x, self.curvature * x * x + self.width * f64::from(stream.normal())]
        };
        let points: Vec<f64> = (0..n).flat_map(draw).collect();
        Ok(Tensor::from_vec(points, (n, 2), &Device::Cpu)?)
    }

    fn at(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (x, y) = coordinates(x)?;
        let along = x.affine(1.0 / self.spread, -self.centre / self.spread)?.sqr()?;
        let across = ((y - (x.sqr()? * self.curvature)?)? / self.width)?.sqr()?;
        (along + across)? * 0.5
    }
}

impl Energy for Banana {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.at(x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        by_autograd(x, |x| self.at(x))
    }
}
