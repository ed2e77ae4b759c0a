//! What draws say of their law, coordinate by coordinate, and how far they can be trusted.

mod table;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use crate::diagnosis::quantiles;
use crate::{Draws, Error, Result, bulk_effective_sample_size, rank_r_hat, tail_effective_sample_size};

/// Draws in numbers; printed, it is a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One for every coordinate, in their order.
    pub coordinates: Vec<Coordinate>,
    /// Number of chains.
    pub n_chains: usize,
    /// Draws of each chain.
    pub n_draws: usize,
    /// Mean acceptance probability, where steps reported one.
    pub acceptance: Option<f64>,
    /// Trajectories that diverged, where steps looked.
    pub divergences: Option<usize>,
}

/// A coordinate over all draws of all chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// Its place in a chain, such as `[0]` or `[2, 7, 7]`.
    pub index: Vec<usize>,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, with divisor n - 1.
    pub deviation: f64,
    /// The quantiles 5 % and 95 %.
    pub interval: (f64, f64),
    /// What its draws are worth; `None` where they are all the same, or fewer than 4 of a chain.
    pub diagnosis: Option<Diagnosis>,
}

/// What the draws of a coordinate are worth (Vehtari et al., Bayesian Analysis 16(2), 2021).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diagnosis {
    /// [`bulk_effective_sample_size`](crate::bulk_effective_sample_size).
    pub bulk: f64,
    /// [`tail_effective_sample_size`](crate::tail_effective_sample_size).
    pub tail: f64,
    /// [`rank_r_hat`](crate::rank_r_hat).
    pub r_hat: f64,
}

impl Draws {
    /// Mean, deviation, quantiles, effective sample sizes and R-hat of every coordinate.
    ///
    /// # Errors
    /// When `x` is not [draws, chains, ...], or a draw is not finite.
    pub fn summary(&self) -> Result<Summary> {
        let expected =
            || "[draws, chains, ...]: at least one of each, of at least one coordinate".to_string();
        if self.x.rank() < 3 || self.x.elem_count() == 0 {
            return Err(Error::Shape {
                what: "kept draws",
                got: self.x.shape().clone(),
                expected: expected(),
            });
        }
        let (n_draws, n_chains) = (self.x.dim(0)?, self.x.dim(1)?);
        let shape = &self.x.dims()[2..];
        let columns = self.columns()?;
        let coordinates = columns
            .par_iter()
            .enumerate()
            .map(|(number, chains)| Coordinate::of(place(number, shape), chains));
        let diverged = self.trace.diverged.as_ref().map(|shares| shares.iter().sum::<f64>());
        Ok(Summary {
            coordinates: coordinates.collect::<Result<_>>()?,
            n_chains,
            n_draws,
            acceptance: self.trace.mean_acceptance(),
            divergences: diverged.map(|sum| (sum * n_chains as f64).round() as usize),
        })
    }

    /// The draws of every coordinate, chain by chain.
    fn columns(&self) -> Result<Vec<Vec<Vec<f64>>>> {
        let x: Tensor = self.x.flatten_from(2)?.permute((2, 1, 0))?; // [coordinates, chains, draws]
        Ok(x.to_dtype(DType::F64)?.to_vec3()?)
    }
}

impl Coordinate {
    fn of(index: Vec<usize>, chains: &[Vec<f64>]) -> Result<Self> {
        let all = chains.concat();
        let n = all.len() as f64;
        let not_finite = all.iter().filter(|x| !x.is_finite()).count();
        if not_finite > 0 {
            let length = chains[0].len();
            let (shortest, longest) = (length, length);
            return Err(Error::Draws {
                chains: chains.len(),
                shortest,
                longest,
                not_finite,
                spread: "not all the same",
            });
        }
        let mean = all.iter().sum::<f64>() / n;
        let squares: f64 = all.iter().map(|x| (x - mean).powi(2)).sum();
        Ok(Coordinate {
            index,
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
            interval: quantiles(&all, [0.05, 0.95]).into(),
            diagnosis: Diagnosis::of(chains).ok(),
        })
    }
}

impl Diagnosis {
    fn of(chains: &[Vec<f64>]) -> Result<Self> {
        Ok(Diagnosis {
            bulk: bulk_effective_sample_size(chains)?,
            tail: tail_effective_sample_size(chains)?,
            r_hat: rank_r_hat(chains)?,
        })
    }
}

/// The place of element `number` of a tensor of this shape.
fn place(number: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = number;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&side| {
            let at = rest % side;
            rest /= side;
            at
        })
        .collect();
    index.reverse();
    index
}
