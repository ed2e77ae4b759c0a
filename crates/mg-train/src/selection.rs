use std::ops::Range;
use std::path::PathBuf;

use mg_data::{DataSet, ImageSource, Resize, Spec};
use mg_model::Model;
use mg_random::Key;

use crate::config::{ClassChoice, Config, DataConfig, SplitChoice, part};
use crate::{Error, Result};

/// Which images of a set a run learns, and how they become squares.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// As configured.
    pub data: DataConfig,
    /// Pixels on a side.
    pub side: usize,
    /// Seed of the choice.
    pub seed: u64,
}

impl Selection {
    /// What a configuration selects.
    pub fn of_config(config: &Config) -> Self {
        Selection { data: config.data.clone(), side: config.own.side(), seed: config.seed }
    }

    /// What the run of a model selected.
    ///
    /// # Errors
    /// When its configuration is not readable.
    pub fn of_model(model: &dyn Model) -> Result<Self> {
        let config = &model.header().config;
        Ok(Selection { data: part(config, "data")?, side: model.side(), seed: part(config, "seed")? })
    }

    /// How the images of a source are read.
    pub fn spec(&self, source: ImageSource) -> Spec {
        let split = match self.data.split {
            SplitChoice::Auto => None,
            SplitChoice::Only(split) => Some(split),
        };
        let (resize, on_bad) = (self.resize(), self.data.on_bad_image);
        Spec { side: self.side, resize, on_bad, split, ..Spec::new(source) }
    }

    /// How images become squares.
    pub fn resize(&self) -> Resize {
        self.data.resize.with_crop(u32::try_from(self.data.crop).unwrap_or(u32::MAX))
    }

    /// The images of a whole set that a run learns: the first `data.limit` in the random order that its seed gives them, or
    /// all but the last `data.hold_out`.
    ///
    /// # Errors
    /// When the set has too few images.
    pub fn to_learn(&self, whole: &DataSet) -> Result<DataSet> {
        match (self.data.limit, self.data.hold_out) {
            (0, 0) => Ok(whole.clone()),
            _ => self.part(whole, 0..self.learned(whole)?),
        }
    }

    /// The images of a whole set that a run holds out: the `data.hold_out` after those that it learns in the same order, so
    /// none of these.
    ///
    /// # Errors
    /// When nothing is held out, or the set has too few images.
    pub fn held_out(&self, whole: &DataSet) -> Result<DataSet> {
        let (learned, held) = (self.learned(whole)?, self.data.hold_out);
        match held {
            0 => Err(Error::value("data.hold_out", held, "at least 1 to hold images out")),
            _ => self.part(whole, learned..learned + held),
        }
    }

    /// Those of these images that are of the class that a run learns, where it learns one alone.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn of_class(&self, images: DataSet) -> Result<DataSet> {
        let ClassChoice::Named(wanted) = &self.data.class else { return Ok(images) };
        match images.class_names().iter().position(|name| name == wanted) {
            Some(label) => Ok(images.only_class(label as u32)?),
            None => Err(no_class(wanted, images.class_names())),
        }
    }

    /// Number of images that a run learns.
    fn learned(&self, whole: &DataSet) -> Result<u64> {
        let (limit, held, len) = (self.data.limit, self.data.hold_out, whole.len());
        if held >= len || limit > len - held {
            let (key, value) = if held >= len { ("data.hold_out", held) } else { ("data.limit", limit) };
            let most = if held >= len { len - 1 } else { len - held };
            let must = format!("at most {most}: {} has {len} images, and {held} are held out", whole.name());
            return Err(Error::value(key, value, must));
        }
        Ok(if limit == 0 { len - held } else { limit })
    }

    /// The images at these places of the seed's order, in the order of the set.
    fn part(&self, whole: &DataSet, places: Range<u64>) -> Result<DataSet> {
        let order = Key::new(self.seed).named("images").permutation(whole.len());
        let mut chosen: Vec<u64> = places.map(|place| order.at(place)).collect();
        chosen.sort_unstable();
        Ok(whole.subset(&chosen)?)
    }
}

/// The error for a class that is not there.
pub(crate) fn no_class(wanted: &str, names: &[String]) -> Error {
    Error::Class(format!("data.class is {wanted:?}; there are {}", names.join(", ")))
}

/// Opens the images of a configuration at its method's side, those that are held out among them. With a `cache` folder,
/// sets that do not fit memory are packed there once and memory-mapped.
///
/// # Errors
/// When there is no such set, it has no usable image, or one is bad and the configuration refuses that.
pub fn open_data(config: &Config, cache: Option<PathBuf>) -> Result<DataSet> {
    let source = ImageSource::find(&config.data.source)?;
    Ok(DataSet::open(&Spec { cache, ..Selection::of_config(config).spec(source) })?)
}

/// Refuses images of which no pixel differs from any other: whatever is learned of them diverges or says nothing.
pub(crate) fn check_differ(data: &DataSet) -> Result<()> {
    let colour = data.image(0)?[..data.channels()].to_vec();
    for i in 0..data.len() {
        if data.image(i)?.chunks_exact(colour.len()).any(|pixel| pixel != colour) {
            return Ok(());
        }
    }
    Err(Error::OneColour { set: data.name().to_string(), images: data.len(), colour })
}
