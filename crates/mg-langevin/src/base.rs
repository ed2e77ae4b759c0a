use candle_core::{DType, Device, Tensor};
use mg_energy::Reference;
use mg_random::{Key, Stream};

use crate::error::check;
use crate::{ChainKey, Error, Result, rows};

/// A reference distribution as a density p0 with its support and its normaliser: where annealing begins, and what
/// Z of equation (1) is relative to.
///
/// - [`Reference::Uniform`] within bounds: the constant (max - min)^-d on the box, 2^-d on [-1, 1]^d.
/// - [`Reference::Gaussian`] without bounds: N(0, sigma^2 I).
/// - [`Reference::Gaussian`] within bounds: the same restricted to the box and normalised there, which is what an
///   adjusted kernel within these bounds samples at f = 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Base {
    /// Invariant: uniform only within bounds, and then they are an interval; sigma is positive, and bounds of a
    /// Gaussian hold 0.
    reference: Reference,
    bounds: Option<(f64, f64)>,
}

/// Intervals of the quadrature, an even number.
const INTERVALS: u32 = 4096;

/// Beyond so many deviations a normal density counts as zero: exp(-72).
const TAIL: f64 = 12.0;

impl Base {
    /// `reference` within `bounds`, (min, max) of every coordinate, or on all of space.
    ///
    /// # Errors
    /// When the reference is uniform and there are no bounds, the bounds are no interval, or sigma is not positive,
    /// or the bounds of a Gaussian leave its centre out.
    pub fn new(reference: Reference, bounds: Option<(f64, f64)>) -> Result<Self> {
        if let Some((min, max)) = bounds {
            check("min", min, true, "finite")?;
            check("max", max, max > min, "finite and above min")?;
        }
        match (reference, bounds) {
            (Reference::Uniform, None) => return Err(Error::Improper),
            (Reference::Uniform, Some(_)) => {}
            (Reference::Gaussian { sigma }, bounds) => {
                check("sigma", sigma, sigma > 0.0, "finite and positive")?;
                let (min, max) = bounds.unwrap_or((0.0, 0.0));
                check("min", min, min <= 0.0, "at most 0, the centre of a Gaussian reference")?;
                check("max", max, max >= 0.0, "at least 0, the centre of a Gaussian reference")?;
            }
        }
        Ok(Base { reference, bounds })
    }

    /// The reference.
    pub fn reference(&self) -> Reference {
        self.reference
    }

    /// (min, max) of every coordinate, if there are bounds.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        self.bounds
    }

    /// log of the integral of exp(-[`energy`](Base::energy)) over the support, in `d` dimensions: d log(max - min),
    /// d log(sigma sqrt(2 pi)), or d times the logarithm of a one-dimensional integral (Simpson's rule).
    pub fn log_normalizer(&self, d: usize) -> f64 {
        let one = match (self.reference, self.bounds) {
            (Reference::Uniform, Some((min, max))) => max - min,
            (Reference::Uniform, None) => f64::INFINITY,
            (Reference::Gaussian { sigma }, None) => sigma * std::f64::consts::TAU.sqrt(),
            (Reference::Gaussian { sigma }, Some((min, max))) => mass(sigma, min, max),
        };
        d as f64 * one.ln()
    }

    /// -log p0 of every chain up to the constant [`log_normalizer`](Base::log_normalizer), `[n]`: 0 or
    /// |x|^2 / (2 sigma^2), whether or not x lies within the bounds.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn energy(&self, x: &Tensor) -> Result<Tensor> {
        match self.reference {
            Reference::Uniform => Ok(Tensor::zeros(x.dim(0)?, x.dtype(), x.device())?),
            Reference::Gaussian { sigma } => Ok((rows::inner(x, x)? * (0.5 / (sigma * sigma)))?),
        }
    }

    /// log p0 of every chain of `x`, [n, ...]; minus infinity outside the bounds.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn log_density(&self, x: &Tensor) -> Result<Vec<f64>> {
        let d = x.elem_count() / x.dim(0)?.max(1);
        let log_normalizer = self.log_normalizer(d);
        let energies = to_f64(&self.energy(x)?)?;
        let outside = self.outside(x)?;
        let of = |(energy, outside): (f64, bool)| match outside {
            true => f64::NEG_INFINITY,
            false => -energy - log_normalizer,
        };
        Ok(energies.into_iter().zip(outside).map(of).collect())
    }

    /// Independent draws of the shape, type and device of `like`, whose values are not read. Element i depends on
    /// the key and i alone (on a GPU, an unbounded Gaussian is drawn by the device).
    ///
    /// # Errors
    /// When a device fails.
    pub fn draw_like(&self, key: Key, like: &Tensor) -> Result<Tensor> {
        let values: Vec<f64> = match (self.reference, self.bounds) {
            (Reference::Gaussian { sigma }, None) => {
                return Ok((ChainKey::from(key).normal_like(like)? * sigma)?);
            }
            (Reference::Uniform, bounds) => {
                let (min, max) = bounds.unwrap_or((0.0, 0.0));
                let mut values = vec![0f32; like.elem_count()];
                key.fill_uniform(&mut values);
                values.into_iter().map(|u| min + (max - min) * f64::from(u)).collect()
            }
            (Reference::Gaussian { sigma }, Some(bounds)) => {
                let draw = |i: usize| truncated(&mut key.fold(i as u64).stream(), sigma, bounds);
                (0..like.elem_count()).map(draw).collect()
            }
        };
        let values = Tensor::from_vec(values, like.shape(), &Device::Cpu)?;
        let values = values.to_dtype(like.dtype())?;
        // Rounding to f32 may step over a bound that is no f32.
        let values = match self.bounds {
            Some((min, max)) => rows::clamp(&values, min, max)?,
            None => values,
        };
        Ok(values.to_device(like.device())?)
    }

    /// Whether any coordinate of a chain lies outside the bounds, or is no number.
    fn outside(&self, x: &Tensor) -> Result<Vec<bool>> {
        let Some((min, max)) = self.bounds else { return Ok(vec![false; x.dim(0)?]) };
        let inside = (x.ge(min)? * x.le(max)?)?.flatten_from(1)?.min(1)?;
        Ok(inside.to_vec1::<u8>()?.into_iter().map(|inside| inside == 0).collect())
    }
}

/// Integral of exp(-x^2 / (2 sigma^2)) from `min` to `max`, which hold 0 between them.
fn mass(sigma: f64, min: f64, max: f64) -> f64 {
    let (min, max) = (min.max(-TAIL * sigma), max.min(TAIL * sigma));
    let step = (max - min) / f64::from(INTERVALS);
    let sum: f64 = (0..=INTERVALS)
        .map(|i| {
            let weight = match i {
                0 | INTERVALS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let x = (min + f64::from(i) * step) / sigma;
            weight * (-0.5 * x * x).exp()
        })
        .sum();
    sum * step / 3.0
}

/// A draw from N(0, sigma^2) within bounds, by rejection from the normal or from the uniform law, whichever covers
/// the density with less area.
fn truncated(stream: &mut Stream, sigma: f64, (min, max): (f64, f64)) -> f64 {
    let wide = max - min > sigma * std::f64::consts::TAU.sqrt();
    loop {
        let (x, accepted) = if wide {
            let x = sigma * f64::from(stream.normal());
            (x, min <= x && x <= max)
        } else {
            let x = min + (max - min) * f64::from(stream.uniform());
            (x, f64::from(stream.uniform()) < (-0.5 * (x / sigma).powi(2)).exp())
        };
        if accepted {
            return x;
        }
    }
}

/// The values of `[n]` in double precision on the host.
pub(crate) fn to_f64(x: &Tensor) -> Result<Vec<f64>> {
    Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Option<(f64, f64)> = Some((-1.0, 1.0));

    fn gaussian(sigma: f64, bounds: Option<(f64, f64)>) -> Base {
        Base::new(Reference::Gaussian { sigma }, bounds).unwrap()
    }

    #[test]
    fn normalisers_are_the_known_ones() {
        let uniform = Base::new(Reference::Uniform, BOX).unwrap();
        assert!((uniform.log_normalizer(48) - 48.0 * 2f64.ln()).abs() < 1e-12);
        let free = 3.0 * (0.4 * std::f64::consts::TAU.sqrt()).ln();
        assert!((gaussian(0.4, None).log_normalizer(3) - free).abs() < 1e-12);
        // Far bounds cut nothing; of a flat normal law nearly the box is left: 2 - 1 / (3 sigma^2).
        assert!((gaussian(0.4, Some((-9.0, 7.0))).log_normalizer(3) - free).abs() < 1e-10);
        let flat = (2.0f64 - 1.0 / 3e4 + 1.0 / 20.0 / 1e8).ln();
        assert!((gaussian(100.0, BOX).log_normalizer(1) - flat).abs() < 1e-12);
        // erf(1 / sqrt(2)) = 0.682689492137..., the mass within one deviation.
        let one = (0.5 * std::f64::consts::TAU.sqrt() * 0.682_689_492_137_085_9).ln();
        assert!((gaussian(0.5, Some((-0.5, 0.5))).log_normalizer(1) - one).abs() < 1e-12);
    }

    #[test]
    fn draws_have_the_moments_of_their_density() {
        let like = Tensor::zeros((20_000, 10), DType::F64, &Device::Cpu).unwrap();
        for (base, seed) in [
            (gaussian(0.4, BOX), 1),
            (gaussian(3.0, BOX), 2),
            (gaussian(0.7, Some((-0.2, 5.0))), 3),
            (gaussian(0.7, None), 4),
            (Base::new(Reference::Uniform, Some((-1.0, 3.0))).unwrap(), 5),
        ] {
            let x = base.draw_like(Key::new(seed), &like).unwrap();
            let x: Vec<f64> = x.flatten_all().unwrap().to_vec1().unwrap();
            let (low, high) = base.bounds().unwrap_or((-9.0, 9.0));
            assert!(x.iter().all(|&x| low <= x && x <= high));
            // The moments of the density by the midpoint rule.
            let n = 40_000;
            let cell = (high - low) / f64::from(n);
            let grid: Vec<f64> = (0..n).map(|i| low + cell * (f64::from(i) + 0.5)).collect();
            let density =
                base.log_density(&Tensor::new(grid.as_slice(), &Device::Cpu).unwrap().unsqueeze(1).unwrap());
            let density: Vec<f64> = density.unwrap().into_iter().map(f64::exp).collect();
            for power in [1, 2] {
                let expected: f64 = grid.iter().zip(&density).map(|(x, p)| x.powi(power) * p * cell).sum();
                let mean = x.iter().map(|x| x.powi(power)).sum::<f64>() / x.len() as f64;
                let square = x.iter().map(|x| x.powi(2 * power)).sum::<f64>() / x.len() as f64;
                let standard_error = ((square - mean * mean) / x.len() as f64).sqrt();
                assert!((mean - expected).abs() < 5.0 * standard_error, "{base:?}: {mean}, not {expected}");
            }
        }
    }

    #[test]
    fn outside_its_bounds_a_density_is_zero() {
        let x = Tensor::new(&[[0.5, 1.0], [0.0, 1.1], [f64::NAN, 0.0]], &Device::Cpu).unwrap();
        let log_density = Base::new(Reference::Uniform, BOX).unwrap().log_density(&x).unwrap();
        assert_eq!(log_density, [-2.0 * 2f64.ln(), f64::NEG_INFINITY, f64::NEG_INFINITY]);
    }

    #[test]
    fn what_is_no_density_is_refused() {
        assert!(matches!(Base::new(Reference::Uniform, None), Err(Error::Improper)));
        for bounds in [(1.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (-1.0, f64::INFINITY)] {
            assert!(Base::new(Reference::Uniform, Some(bounds)).is_err(), "{bounds:?}");
        }
        for sigma in [0.0, -1.0, f64::NAN] {
            assert!(Base::new(Reference::Gaussian { sigma }, None).is_err());
        }
        assert!(Base::new(Reference::Gaussian { sigma: 1.0 }, Some((0.5, 1.0))).is_err());
    }
}
