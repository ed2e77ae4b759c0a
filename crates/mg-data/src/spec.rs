use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::input::Input;
use crate::limits::MAX_SIDE;
use crate::packed::Packed;
use crate::{Check, Error, ImageSource, Resize, Result, Split};

/// What to read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Where the images come from.
    pub source: ImageSource,
    /// Pixels on a side of every image, 1 to [`MAX_SIDE`]; 64 by default.
    pub side: usize,
    /// How images become squares. A packed set keeps the way it was packed with.
    pub resize: Resize,
    /// What is done with a bad image.
    pub on_bad: OnBadImage,
    /// The part to read. `None` is `train` where there are splits, and everything where there are none.
    pub split: Option<Split>,
    /// A folder for packed copies. With one, every source but `portraits` is decoded once, packed there, and
    /// memory-mapped from then on; without, sources are decoded into memory, up to [`MAX_IN_MEMORY`] bytes.
    pub cache: Option<PathBuf>,
    /// What the set is called in reports; the name of its file or folder unless given.
    pub name: Option<String>,
    /// Called before images are decoded: not where a packed copy serves, which has checksums of its own.
    pub before: Option<Check>,
}

/// Bytes of pixels that are kept in memory when there is no cache folder: 1 GiB.
pub const MAX_IN_MEMORY: u64 = 1 << 30;

impl Spec {
    /// The source at side 64, squashed, bad images skipped, no cache.
    pub fn new(source: ImageSource) -> Self {
        let (resize, on_bad) = (Resize::default(), OnBadImage::default());
        Spec { source, side: 64, resize, on_bad, split: None, cache: None, name: None, before: None }
    }

    /// Width and height of the source's first image as it is, or the side of a packed set.
    ///
    /// # Errors
    /// Anything wrong with the source or with that image.
    pub fn native_size(&self) -> Result<(u32, u32)> {
        if let ImageSource::Packed(path) = &self.source {
            let side = Packed::open(path)?.header.side as u32;
            return Ok((side, side));
        }
        let input = self.open_input()?;
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
            ImageSource::Packed(path) => Ok(Packed::open(path)?.header.count),
            _ => Ok(self.open_input()?.len()),
        }
    }

    /// What the set is called.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.source.name())
    }

    /// Lists what there is to decode; raises every error that can be seen without decoding an image.
    pub(crate) fn open_input(&self) -> Result<Input> {
        self.source.open(self.split)
    }

    /// A name for the packed form of an input: changes with every setting, and with the name, size or time of any file.
    pub(crate) fn key(&self, input: &Input) -> String {
        let mut hash = Sha256::new();
        let Spec { side, resize, on_bad, .. } = self;
        hash.update(format!("mg-data 2 {side} {resize} {on_bad:?} {:?}\n", input.split()));
        if let Some(path) = self.source.path() {
            hash.update(path.canonicalize().unwrap_or_default().as_os_str().as_encoded_bytes());
        }
        for path in input.files() {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(size_and_age(&path));
        }
        hex(&hash.finalize())
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.side {
            1..=MAX_SIDE => Ok(()),
            side => Err(Error::Setting(format!("side {side} is not between 1 and {MAX_SIDE}"))),
        }
    }
}

/// Bytes of a file and when it was last changed, as far as the system tells.
fn size_and_age(path: &Path) -> String {
    let metadata = std::fs::metadata(path).ok();
    let modified = metadata.as_ref().and_then(|m| m.modified().ok());
    let age = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    format!("\n{:?} {:?}\n", metadata.map(|m| m.len()), age)
}

/// What is done with an image that cannot be used: `skip` or `refuse` in configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum OnBadImage {
    /// It is left out, counted, and named in [`Skipped`](crate::Skipped).
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
