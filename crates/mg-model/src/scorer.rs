use std::fmt::Debug;

use candle_core::{DType, Device, Tensor};
use mg_energy::EnergyNet;
use mg_pyramid::down;

use crate::images::batches;
use crate::{Error, Images, Result};

/// The nets of one class, ready to say f and U of any number of images, image by image: nets that normalise over
/// batches do so with the statistics that the model keeps.
#[derive(Debug)]
pub struct Scorer {
    grids: Vec<Box<dyn GridEnergy>>,
    batch: usize,
}

/// An energy of the images of one grid, which do not depend on each other.
pub trait GridEnergy: Debug {
    /// Side of the images.
    fn side(&self) -> usize;

    /// The scores f and the energies U, `[n]` each, of images [n, c, s, s].
    ///
    /// # Errors
    /// When the images are of another size.
    fn score_and_energy(&self, x: &Tensor) -> Result<(Tensor, Tensor)>;
}

impl GridEnergy for EnergyNet {
    fn side(&self) -> usize {
        self.net.spec().side
    }

    fn score_and_energy(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        // In f64, for the energy is a small difference of large numbers.
        let wide = |values: Tensor| values.to_device(&Device::Cpu)?.to_dtype(DType::F64);
        let (f, reference) = (wide(self.net.score(x)?)?, wide(self.reference.energy(x)?)?);
        Ok((f.clone(), (reference - f)?))
    }
}

/// What the net of one grid says of images, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GridScores {
    /// The score f.
    pub score: Vec<f64>,
    /// The energy U = -log p0 - f, without the constant of p0 (equation 2).
    pub energy: Vec<f64>,
}

impl GridScores {
    /// Image by image the sum over grids: of the grids' models taken as independent.
    pub fn sum(grids: &[GridScores]) -> Self {
        let total = |of: fn(&GridScores) -> &Vec<f64>| {
            let mut grids = grids.iter().map(of);
            let first = grids.next().cloned().unwrap_or_default();
            grids.fold(first, |sum, grid| sum.iter().zip(grid).map(|(a, b)| a + b).collect())
        };
        GridScores { score: total(|grid| &grid.score), energy: total(|grid| &grid.energy) }
    }
}

impl Scorer {
    /// The scorer of these energies, coarse to fine, with so many images at a time.
    pub fn new(grids: Vec<Box<dyn GridEnergy>>, batch: usize) -> Self {
        Scorer { grids, batch }
    }

    /// Scores of all images of a set by every grid, coarse to fine; images are read a batch at a time and scaled to
    /// each grid. `done` hears how many are scored.
    ///
    /// # Errors
    /// When the images are smaller than a grid, or a net fails.
    pub fn set(&self, set: &dyn Images, done: &mut dyn FnMut(usize)) -> Result<Vec<GridScores>> {
        let mut all = vec![GridScores::default(); self.grids.len()];
        for numbers in batches(set.len(), self.batch) {
            let images = set.batch(numbers.clone())?;
            for (grid, scores) in self.grids.iter().zip(&mut all) {
                score(&**grid, &down(&images, grid.side())?, scores)?;
            }
            done(numbers.end);
        }
        Ok(all)
    }

    /// Scores of images that lie on the grids already, [n, c, s, s] for every grid, coarse to fine.
    ///
    /// # Errors
    /// When there is not one batch of images for every grid, of its side.
    pub fn grids(&self, images: &[Tensor]) -> Result<Vec<GridScores>> {
        if images.len() != self.grids.len() {
            let (given, grids) = (images.len(), self.grids.len());
            return Err(Error::value(
                "images",
                format!("{given} batches"),
                format!("one for each of {grids} grids"),
            ));
        }
        let mut all = vec![GridScores::default(); self.grids.len()];
        for ((grid, images), scores) in self.grids.iter().zip(images).zip(&mut all) {
            let n = images.dim(0)?;
            for first in (0..n).step_by(self.batch) {
                score(&**grid, &images.narrow(0, first, self.batch.min(n - first))?, scores)?;
            }
        }
        Ok(all)
    }
}

/// Appends what a grid says of a batch.
fn score(grid: &dyn GridEnergy, x: &Tensor, scores: &mut GridScores) -> Result<()> {
    let (f, energy) = grid.score_and_energy(x)?;
    scores.score.extend(to_f64(&f)?);
    scores.energy.extend(to_f64(&energy)?);
    Ok(())
}

fn to_f64(x: &Tensor) -> Result<Vec<f64>> {
    Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()?)
}
