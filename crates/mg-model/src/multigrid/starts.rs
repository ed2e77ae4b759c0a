use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_pyramid::{ConditionalGaussian, Covariance, InitialDistribution};

use super::{ChainStart, Settings};
use crate::{Result, below};

/// What the chains of one class begin with, learned from its images before the first iteration.
#[derive(Clone, Debug)]
pub struct ChainStarts {
    /// p(0), the histogram of 1x1 images.
    pub initial: InitialDistribution,
    /// For every grid, coarse to fine, the Gaussian of its images given the coarser ones; `None` where chains do not begin
    /// at draws from it.
    pub gaussians: Vec<Option<ConditionalGaussian>>,
}

/// A grid whose chains begin at draws from a Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnGrid {
    /// Channels of its images.
    pub channels: usize,
    /// Side of the coarser grid.
    pub coarse: usize,
    /// Side of the grid.
    pub side: usize,
    /// The Gaussian's covariance.
    pub covariance: Covariance,
}

impl DrawnGrid {
    /// The grids of a model, coarse to fine; `None` where chains begin otherwise.
    ///
    /// # Errors
    /// When the settings have no usable grids.
    pub fn all(settings: &Settings) -> Result<Vec<Option<Self>>> {
        let grids = settings.grids()?;
        let of = |level: usize| {
            let (coarse, side) = (grids.sides()[level], grids.sides()[level + 1]);
            let channels = settings.net_spec(level)?.channels;
            let begins = matches!(settings.chains.start.at(level), ChainStart::Coarser | ChainStart::Reduced);
            let covariance = settings.chains.upscale.at(level).covariance(channels * side * side);
            let covariance = covariance.filter(|_| begins);
            Ok(covariance.map(|covariance| DrawnGrid { channels, coarse, side, covariance }))
        };
        (0..settings.sides().len()).map(of).collect()
    }
}

impl ChainStarts {
    /// Adds them to the tensors of a class.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn save(&self, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
        let initial = self.initial.tensors()?.into_iter();
        tensors.extend(initial.map(|(name, tensor)| (format!("initial.{name}"), tensor)));
        for gaussian in self.gaussians.iter().flatten() {
            let prefix = format!("grid{}.gaussian", gaussian.sides().1);
            let stored = gaussian.tensors()?.into_iter();
            tensors.extend(stored.map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)));
        }
        Ok(())
    }

    /// What [`save`](ChainStarts::save) added.
    ///
    /// # Errors
    /// When a tensor is missing, damaged, or of other grids.
    pub fn restore(settings: &Settings, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let initial = InitialDistribution::from_tensors(&below(tensors, "initial"))?;
        let restore = |grid: DrawnGrid| {
            let DrawnGrid { channels, coarse, side, .. } = grid;
            let stored = below(tensors, &format!("grid{side}.gaussian"));
            ConditionalGaussian::from_tensors(&stored, channels, (coarse, side))
        };
        let gaussians = DrawnGrid::all(settings)?.into_iter().map(|grid| grid.map(restore).transpose());
        Ok(ChainStarts { initial, gaussians: gaussians.collect::<Result<_, _>>()? })
    }
}
