use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::input::Input;
use crate::packed::Packed;
use crate::{Error, Resize, Result, Source, Split};

/// What to read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Where the images come from.
    pub source: Source,
    /// Pixels on a side of every image, 1 to [`MAX_SIDE`]; 64 unless told.
    pub side: usize,
    /// How images become squares. A packed set keeps the way it was packed with.
    pub resize: Resize,
    /// What a bad image does.
    pub on_bad: OnBadImage,
    /// The part to read. `None` is `train` where there are splits, and everything where there are none.
    pub split: Option<Split>,
    /// A folder for packed copies. With one, folders and parquet files are decoded once, packed there, and
    /// memory-mapped from then on; without, they are decoded into memory, up to [`MAX_IN_MEMORY`] bytes.
    pub cache: Option<PathBuf>,
    /// What the set is called in reports; the name of its file or folder unless given.
    pub name: Option<String>,
}

/// The largest side of an image.
pub const MAX_SIDE: usize = 4096;
/// Bytes of pixels that are kept in memory when there is no cache folder: 1 GiB.
pub const MAX_IN_MEMORY: u64 = 1 << 30;
/// Every image is RGB.
pub(crate) const CHANNELS: usize = 3;

impl Spec {
    /// The source at side 64, squashed, bad images skipped, no cache.
    pub fn new(source: Source) -> Self {
        let (resize, on_bad) = (Resize::default(), OnBadImage::default());
        Spec { source, side: 64, resize, on_bad, split: None, cache: None, name: None }
    }

    /// Width and height of the source's first image as it is, or the side of a packed set.
    ///
    /// # Errors
    /// Anything wrong with the source or with that image.
    pub fn native_size(&self) -> Result<(u32, u32)> {
        if let Source::Packed(path) = &self.source {
            let side = Packed::open(path)?.header.side as u32;
            return Ok((side, side));
        }
        let input = Input::open(self)?;
        let first = input.records().next().transpose()?;
        let Some(first) = first else { return Err(Error::NoRows(self.source.to_string())) };
        first.size_of_image().map_err(|defect| Error::BadImage { name: first.name, defect })
    }

    /// Number of images, good or bad, without decoding one; of a packed set the good ones.
    ///
    /// # Errors
    /// Anything wrong with the source that can be seen without decoding an image.
    pub fn count(&self) -> Result<u64> {
        match &self.source {
            Source::Packed(path) => Ok(Packed::open(path)?.header.count),
            _ => Ok(Input::open(self)?.len()),
        }
    }

    /// What the set is called.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.source.name())
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.side {
            1..=MAX_SIDE => Ok(()),
            side => Err(Error::Setting(format!("side {side} is not between 1 and {MAX_SIDE}"))),
        }
    }
}

/// What an image that cannot be used does: `skip` or `refuse` in configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadImage {
    /// It is left out, counted, and named in [`Skipped`].
    #[default]
    Skip,
    /// It is an error.
    Refuse,
}

impl FromStr for OnBadImage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "skip" => Ok(OnBadImage::Skip),
            "refuse" => Ok(OnBadImage::Refuse),
            _ => Err(Error::Setting(format!("`{text}` is none of skip, refuse"))),
        }
    }
}

/// The images that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first [`MAX_NAMED`](Skipped::MAX_NAMED) of them: name and defect.
    pub named: Vec<(String, String)>,
}

impl Skipped {
    /// No more than this many are named.
    pub const MAX_NAMED: usize = 1000;

    pub(crate) fn add(&mut self, name: String, defect: String) {
        self.count += 1;
        if self.named.len() < Self::MAX_NAMED {
            self.named.push((name, defect));
        }
    }
}
