use std::path::PathBuf;

use mg_data::{DataSet, OnBadImage, Resize, Source, Spec, Split};

use crate::Result;
use crate::config::{BadImage, Config, ResizeMode};

/// Opens the images of a configuration at the finest grid's side. With a `cache` folder, sets that do not fit memory
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
    let mut spec = Spec::new(Source::find(&data.source)?);
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
