use std::ops::Range;
use std::path::PathBuf;

use mg_data::{DataSet, ImageSource, OnBadImage, Resize, Spec, Split};
use mg_random::Key;

use crate::config::{BadImage, Config, ResizeMode};
use crate::{Error, Result};

/// Opens the images of a configuration at the finest grid's side, those that are held out among them. With a `cache` folder, sets that do not fit memory
/// are packed there once and memory-mapped.
///
/// # Errors
/// When there is no such set, it has no usable image, or one is bad and the configuration refuses that.
pub fn open_data(config: &Config, cache: Option<PathBuf>) -> Result<DataSet> {
    Ok(DataSet::open(&Spec { cache, ..data_spec(config)? })?)
}

/// Which images a configuration names, and how they are read.
///
/// # Errors
/// When there is no such set.
pub fn data_spec(config: &Config) -> Result<Spec> {
    let data = &config.data;
    let mut spec = Spec::new(ImageSource::find(&data.source)?);
    spec.side = config.sides().last().copied().unwrap_or(spec.side);
    spec.resize = resize(config);
    spec.on_bad = match data.on_bad_image {
        BadImage::Skip => OnBadImage::Skip,
        BadImage::Refuse => OnBadImage::Refuse,
    };
    spec.split = match data.split.as_str() {
        "auto" => None,
        split => Some(split.parse::<Split>()?),
    };
    Ok(spec)
}

/// How images become squares.
pub fn resize(config: &Config) -> Resize {
    match (config.data.resize, config.data.crop) {
        (ResizeMode::Squash, _) => Resize::Squash,
        (ResizeMode::Crop, 0) => Resize::CropSquare,
        (ResizeMode::Crop, pixels) => Resize::Crop(u32::try_from(pixels).unwrap_or(u32::MAX)),
    }
}

/// The images of a whole set that a run learns: the first `data.limit` in the random order that its seed gives them, or all
/// but the last `data.hold_out`.
///
/// # Errors
/// When the set has too few images.
pub fn to_learn(config: &Config, whole: &DataSet) -> Result<DataSet> {
    match (config.data.limit, config.data.hold_out) {
        (0, 0) => Ok(whole.clone()),
        _ => part(config, whole, 0..learned(config, whole)?),
    }
}

/// The images of a whole set that a run holds out: the `data.hold_out` after those that it learns in the same order, so none
/// of these.
///
/// # Errors
/// When nothing is held out, or the set has too few images.
pub fn held_out(config: &Config, whole: &DataSet) -> Result<DataSet> {
    let (learned, held) = (learned(config, whole)?, config.data.hold_out);
    match held {
        0 => Err(Error::value("data.hold_out", held.to_string(), "at least 1 to hold images out".into())),
        _ => part(config, whole, learned..learned + held),
    }
}

/// Number of images that a run learns.
fn learned(config: &Config, whole: &DataSet) -> Result<u64> {
    let (limit, held, len) = (config.data.limit, config.data.hold_out, whole.len());
    if held >= len || limit > len - held {
        let (key, value) = if held >= len { ("data.hold_out", held) } else { ("data.limit", limit) };
        let most = if held >= len { len - 1 } else { len - held };
        let must = format!("at most {most}: {} has {len} images, and {held} are held out", whole.name());
        return Err(Error::value(key, value.to_string(), must));
    }
    Ok(if limit == 0 { len - held } else { limit })
}

/// The images at these places of the seed's order, in the order of the set.
fn part(config: &Config, whole: &DataSet, places: Range<u64>) -> Result<DataSet> {
    let order = Key::new(config.seed).named("images").permutation(whole.len());
    let mut chosen: Vec<u64> = places.map(|place| order.at(place)).collect();
    chosen.sort_unstable();
    Ok(whole.subset(&chosen)?)
}
