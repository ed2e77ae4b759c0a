use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_data::{DataSet, Order};
use mg_pyramid::{
    ConditionalGaussian, GaussianLearner, InitialDistribution, InitialForm, InitialLearner, MAX_GAUSSIAN,
    MAX_TRIPLES, down,
};
use mg_random::Key;

use crate::config::{Config, Initial, Start, UpscaleMode};
use crate::tensor_file::below;
use crate::{Error, Result};

/// The images that one model is learned from: all of a data set, or those of one class.
#[derive(Clone)]
pub struct Class {
    /// The name of the class; "all" for all images.
    pub name: String,
    /// Its images.
    pub data: DataSet,
    /// Which of them an iteration learns from.
    pub order: Order,
}

/// Images read at a time for the laws that chains begin with.
const CHUNK: usize = 256;

impl Class {
    /// The classes that `data.class` asks for, in the order of their labels.
    ///
    /// # Errors
    /// When the data have no labels, or no such class, or a class has no image.
    pub fn all(config: &Config, data: &DataSet, key: Key) -> Result<Vec<Self>> {
        let names = data.class_names();
        let class = |name: &str, data: DataSet| {
            let order = Order::new(key.named("order").named(name), data.len(), config.learn.batch as u64)?;
            Ok(Class { name: name.to_string(), data, order })
        };
        let of = |label: usize| class(&names[label], data.only_class(label as u32)?);
        match config.data.class.as_str() {
            "all" => Ok(vec![class("all", data.clone())?]),
            wanted if names.is_empty() => Err(Error::Class(format!(
                "data.class is {wanted:?}, but these images have no labels; use class sub-folders, or data.class = \"all\""
            ))),
            "each" => (0..names.len()).map(of).collect(),
            wanted => match names.iter().position(|name| name == wanted) {
                Some(label) => Ok(vec![of(label)?]),
                None => {
                    Err(Error::Class(format!("data.class is {wanted:?}; there are {}", names.join(", "))))
                }
            },
        }
    }

    /// The 1x1 histogram of the images, of at most as many as it can hold triples.
    pub fn initial(&self, config: &Config, key: Key) -> Result<InitialDistribution> {
        let form = match config.model.initial {
            Initial::Triples => InitialForm::Triples,
            Initial::PerChannel => InitialForm::PerChannel,
            Initial::Pooled => InitialForm::Pooled,
        };
        let key = key.named("initial").named(&self.name);
        let mut learner = InitialLearner::new(form, key);
        for numbers in self.some(key).chunks(CHUNK) {
            learner.observe(&down(&self.data.batch(numbers, &[], &Device::Cpu)?, 1)?)?;
        }
        Ok(learner.finish()?)
    }

    /// For every grid, coarse to fine, the law that its chains start at draws from, where they do: that of the images, and
    /// of their mirror images where these are learned from too.
    pub fn gaussians(
        &self,
        config: &Config,
        key: Key,
        device: &Device,
    ) -> Result<Vec<Option<ConditionalGaussian>>> {
        let drawn = (0..config.sides().len()).map(|level| Drawn::of(config, level));
        let drawn = drawn.collect::<Result<Vec<_>>>()?;
        let learner = |drawn: &Drawn| GaussianLearner::new(drawn.channels, drawn.coarse, drawn.side);
        let learner = |drawn: &Option<Drawn>| drawn.as_ref().map(learner).transpose();
        let mut learners = drawn.iter().map(learner).collect::<Result<Vec<_>, _>>()?;
        if learners.iter().all(Option::is_none) {
            return Ok(vec![None; learners.len()]);
        }
        for numbers in self.some(key.named("gaussians").named(&self.name)).chunks(CHUNK) {
            let x = self.data.batch(numbers, &[], &Device::Cpu)?;
            let mirrored = config.data.flip.then(|| x.flip(&[3])).transpose()?;
            for x in [Some(x), mirrored].into_iter().flatten() {
                for (learner, drawn) in learners.iter_mut().flatten().zip(drawn.iter().flatten()) {
                    learner.observe(&down(&x, drawn.side)?)?;
                }
            }
        }
        let finish = |learner: GaussianLearner| Ok(learner.finish()?.to_device(device)?);
        learners.into_iter().map(|learner| learner.map(finish).transpose()).collect()
    }

    /// The numbers of as many images as one law of where chains begin is learned from.
    fn some(&self, key: Key) -> Vec<u64> {
        key.permutation(self.data.len()).iter().take(MAX_TRIPLES).collect()
    }
}

/// Adds the laws of class number `c` to what is stored of it.
pub(crate) fn save_gaussians(
    gaussians: &[Option<ConditionalGaussian>],
    c: usize,
    config: &Config,
    tensors: &mut BTreeMap<String, Tensor>,
) -> Result<()> {
    for (side, gaussian) in config.sides().iter().zip(gaussians) {
        let stored = gaussian.as_ref().map(ConditionalGaussian::tensors).transpose()?.unwrap_or_default();
        tensors
            .extend(stored.into_iter().map(|(name, t)| (format!("class{c}.grid{side}.gaussian.{name}"), t)));
    }
    Ok(())
}

/// What [`save_gaussians`] stored.
pub(crate) fn restore_gaussians(
    c: usize,
    config: &Config,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<Vec<Option<ConditionalGaussian>>> {
    let restore = |level| {
        let Some(Drawn { channels, coarse, side }) = Drawn::of(config, level)? else { return Ok(None) };
        let stored = below(tensors, &format!("class{c}.grid{side}.gaussian"));
        Ok(Some(ConditionalGaussian::from_tensors(&stored, channels, (coarse, side))?))
    };
    (0..config.sides().len()).map(restore).collect()
}

/// Of a grid whose chains start at draws from a Gaussian.
struct Drawn {
    channels: usize,
    /// Side of the coarser grid.
    coarse: usize,
    side: usize,
}

impl Drawn {
    /// Of grid number `level`, if its chains start so.
    fn of(config: &Config, level: usize) -> Result<Option<Self>> {
        let grids = config.grids()?;
        let (coarse, side) = (grids.sides()[level], grids.sides()[level + 1]);
        let channels = config.net_spec(level)?.channels;
        let asked = config.chains.upscale.at(level) == UpscaleMode::Gaussian
            && config.chains.start.at(level) == Start::Coarser;
        let fits = channels * side * side <= MAX_GAUSSIAN;
        Ok((asked && fits).then_some(Drawn { channels, coarse, side }))
    }
}

impl std::fmt::Debug for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Class")
            .field("name", &self.name)
            .field("images", &self.data.len())
            .finish_non_exhaustive()
    }
}
