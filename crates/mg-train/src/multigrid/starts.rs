use candle_core::Device;
use mg_model::multigrid::{ChainStarts, DrawnGrid, Settings};
use mg_pyramid::{GaussianLearner, InitialLearner, MAX_TRIPLES, down};
use mg_random::Key;

use crate::{Class, Result};

/// Images read at a time.
const CHUNK: usize = 256;

/// Learns what the chains of a class begin with: p(0), and the Gaussians of the grids that are drawn from. From its images,
/// or from as many as p(0) can hold triples; the Gaussians also from their mirror images, if `flip`.
///
/// # Errors
/// When an image cannot be read, or there are too few for a Gaussian.
pub fn learn_starts(
    class: &Class,
    flip: bool,
    settings: &Settings,
    key: Key,
    device: &Device,
) -> Result<ChainStarts> {
    let key = key.named("initial").named(&class.name);
    let mut initial = InitialLearner::new(settings.model.initial, key);
    let mut gaussians = Vec::new();
    for grid in DrawnGrid::all(settings)? {
        let learner =
            |grid: DrawnGrid| GaussianLearner::new(grid.channels, grid.coarse, grid.side, grid.covariance);
        gaussians.push(grid.map(learner).transpose()?);
    }
    let numbers: Vec<u64> = key.permutation(class.data.len()).iter().take(MAX_TRIPLES).collect();
    for numbers in numbers.chunks(CHUNK) {
        let x = class.data.batch(numbers, &[], &Device::Cpu)?; // [n, c, s, s]
        initial.observe(&down(&x, 1)?)?;
        for learner in gaussians.iter_mut().flatten() {
            let x = down(&x, learner.sides().1)?;
            learner.observe(&x)?;
            if flip {
                learner.observe(&x.flip(&[3])?)?;
            }
        }
    }
    let finish = |learner: GaussianLearner| Ok(learner.finish()?.to_device(device)?);
    let gaussians = gaussians.into_iter().map(|learner| learner.map(finish).transpose());
    Ok(ChainStarts { initial: initial.finish()?, gaussians: gaussians.collect::<Result<_>>()? })
}
