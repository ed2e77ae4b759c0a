use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_pyramid::{
    ConditionalGaussian, GaussianLearner, InitialDistribution, InitialForm, InitialLearner, MAX_GAUSSIAN,
    MAX_TRIPLES, down,
};
use mg_random::Key;

use crate::Result;
use crate::classes::Class;
use crate::config::{Config, Initial, Start, UpscaleMode};
use crate::tensor_file::below;

/// What the chains of one class begin with, learned from its images before the first iteration.
#[derive(Clone, Debug)]
pub struct ChainStarts {
    /// p(0), the histogram of 1x1 images.
    pub initial: InitialDistribution,
    /// Per grid, coarse to fine, the law that its chains start at draws from, where they do.
    pub gaussians: Vec<Option<ConditionalGaussian>>,
}

/// Images read at a time.
const CHUNK: usize = 256;

impl ChainStarts {
    /// Learns from the images of a class, or from as many as p(0) can hold triples; the Gaussians also from their mirror
    /// images, where these are learned from too.
    pub(crate) fn learn(class: &Class, config: &Config, key: Key, device: &Device) -> Result<Self> {
        let form = match config.model.initial {
            Initial::Triples => InitialForm::Triples,
            Initial::PerChannel => InitialForm::PerChannel,
            Initial::Pooled => InitialForm::Pooled,
        };
        let key = key.named("initial").named(&class.name);
        let mut initial = InitialLearner::new(form, key);
        let mut gaussians = Vec::new();
        for drawn in Drawn::all(config)? {
            let learner = |drawn: Drawn| GaussianLearner::new(drawn.channels, drawn.coarse, drawn.side);
            gaussians.push(drawn.map(learner).transpose()?);
        }
        let numbers: Vec<u64> = key.permutation(class.data.len()).iter().take(MAX_TRIPLES).collect();
        for numbers in numbers.chunks(CHUNK) {
            let x = class.data.batch(numbers, &[], &Device::Cpu)?;
            initial.observe(&down(&x, 1)?)?;
            for learner in gaussians.iter_mut().flatten() {
                let x = down(&x, learner.sides().1)?;
                learner.observe(&x)?;
                if config.data.flip {
                    learner.observe(&x.flip(&[3])?)?;
                }
            }
        }
        let finish = |learner: GaussianLearner| Ok(learner.finish()?.to_device(device)?);
        let gaussians = gaussians.into_iter().map(|learner| learner.map(finish).transpose());
        Ok(ChainStarts { initial: initial.finish()?, gaussians: gaussians.collect::<Result<_>>()? })
    }

    /// Adds those of class number `c` to what is stored of it.
    pub(crate) fn save(&self, c: usize, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
        let initial = self.initial.tensors()?.into_iter();
        tensors.extend(initial.map(|(name, tensor)| (format!("class{c}.initial.{name}"), tensor)));
        for gaussian in self.gaussians.iter().flatten() {
            let prefix = format!("class{c}.grid{}.gaussian", gaussian.sides().1);
            let stored = gaussian.tensors()?.into_iter();
            tensors.extend(stored.map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)));
        }
        Ok(())
    }

    /// What [`save`](ChainStarts::save) stored.
    pub(crate) fn restore(c: usize, config: &Config, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let initial = InitialDistribution::from_tensors(&below(tensors, &format!("class{c}.initial")))?;
        let restore = |drawn: Drawn| {
            let Drawn { channels, coarse, side } = drawn;
            let stored = below(tensors, &format!("class{c}.grid{side}.gaussian"));
            ConditionalGaussian::from_tensors(&stored, channels, (coarse, side))
        };
        let gaussians = Drawn::all(config)?.into_iter().map(|drawn| drawn.map(restore).transpose());
        Ok(ChainStarts { initial, gaussians: gaussians.collect::<Result<_, _>>()? })
    }
}

/// A grid whose chains start at draws from a Gaussian.
struct Drawn {
    channels: usize,
    /// Side of the coarser grid.
    coarse: usize,
    side: usize,
}

impl Drawn {
    /// All grids, coarse to fine; none where chains start otherwise.
    fn all(config: &Config) -> Result<Vec<Option<Self>>> {
        let grids = config.grids()?;
        let of = |level: usize| {
            let (coarse, side) = (grids.sides()[level], grids.sides()[level + 1]);
            let channels = config.net_spec(level)?.channels;
            let asked = config.chains.upscale.at(level) == UpscaleMode::Gaussian
                && config.chains.start.at(level) == Start::Coarser;
            let fits = channels * side * side <= MAX_GAUSSIAN;
            Ok((asked && fits).then_some(Drawn { channels, coarse, side }))
        };
        (0..config.sides().len()).map(of).collect()
    }
}
