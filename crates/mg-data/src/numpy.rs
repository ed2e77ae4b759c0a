//! numpy's arrays: `.npy` files of images, and `.npz` files of images and labels, of several splits perhaps (as Keras' and
//! MedMNIST's). Values are bytes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use crate::limits::{MAX_FILE, MAX_LABEL, MAX_PIXELS, MIN_SIDE};
use crate::listing::has_extension;
use crate::readable::readable;
use crate::record::{Content, Record};
use crate::split::{Split, no_split};
use crate::{Error, Result};

mod array;

use self::array::{Array, bad};

/// The images of a file, or of a split of it.
pub(crate) struct Numpy {
    path: PathBuf,
    images: Array,
    layout: Layout,
    labels: Option<Vec<u32>>,
    pub(crate) split: Option<Split>,
    /// What is not read.
    pub(crate) notes: Vec<String>,
}

/// How images lie in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    count: u64,
    height: u32,
    width: u32,
    /// 1 or 3.
    channels: u32,
    /// Whether a channel's pixels lie together.
    is_planar: bool,
}

/// Words of names of arrays that are labels.
const LABELS: [&str; 6] = ["y", "label", "labels", "target", "targets", "class"];

/// Whether the name is that of a file of arrays.
pub(crate) fn is_numpy(path: &Path) -> bool {
    has_extension(path, "npy") || has_extension(path, "npz")
}

impl Numpy {
    /// Reads what the arrays of a file are, and the labels.
    pub(crate) fn open(path: &Path, wish: Option<Split>) -> Result<Self> {
        let damaged = |error: io::Error| Error::damaged(path, None, error);
        let arrays = array::list(path).map_err(damaged)?;
        let splits: Vec<Option<Split>> = arrays.iter().map(|array| split_of(&array.name)).collect();
        let has_splits = splits.iter().any(Option::is_some);
        let split = wish.or(has_splits.then_some(Split::Train));
        let own = || arrays.iter().zip(&splits).filter(|(_, of)| **of == split).map(|(array, _)| array);
        let images: Vec<(&Array, Layout)> = own()
            .filter(|array| !is_labels(&array.name))
            .filter_map(|array| Some((array, Layout::of(array)?)))
            .collect();
        let (images, layout) = match images[..] {
            [(images, layout)] => (images.clone(), layout),
            [] if wish.is_some() => {
                return Err(no_split(&path.display().to_string(), wish, &described(&arrays)));
            }
            [] => {
                let reason = format!(
                    "no array of images, [n, height, width] or with channels, of bytes: {}",
                    described(&arrays)
                );
                return Err(Error::damaged(path, None, reason));
            }
            _ => {
                let names: Vec<&str> = images.iter().map(|(array, _)| array.name.as_str()).collect();
                let reason = format!("the arrays {} may all be the images; store one", names.join(", "));
                return Err(Error::damaged(path, None, reason));
            }
        };
        let labels = own().find(|array| is_labels(&array.name));
        let read = labels.map(|array| read_labels(path, array, layout.count).map_err(damaged)).transpose()?;
        let is_used = |array: &&Array| {
            array.name == images.name || labels.is_some_and(|labels| labels.name == array.name)
        };
        let left: Vec<String> = own().filter(|array| !is_used(array)).map(shown).collect();
        let notes = match left.is_empty() {
            true => vec![],
            false => vec![format!("the arrays {} are not read", left.join(", "))],
        };
        Ok(Numpy { path: path.to_owned(), images, layout, labels: read, split, notes })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of images.
    pub(crate) fn len(&self) -> u64 {
        self.layout.count
    }

    /// Images in order; one is in memory at a time. Ends after the first error.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        let (mut values, mut failed) = (None, false);
        let file = self.path.file_name().map(readable).unwrap_or_default();
        (0..self.len()).map_while(move |row| {
            if failed {
                return None;
            }
            let image = (|| {
                let values = match &mut values {
                    Some(values) => values,
                    None => values.insert(array::values(&self.path, &self.images.name)?),
                };
                self.layout.read(values)
            })();
            failed = image.is_err();
            let label = self.labels.as_ref().map(|labels| labels[row as usize]);
            let name = format!("{file} image {row}");
            let record = |image| Record { name, label, content: Content::Pixels(image) };
            Some(image.map(record).map_err(|error| Error::damaged(&self.path, Some(row), error)))
        })
    }
}

impl Layout {
    /// The layout of an array that can be images.
    fn of(array: &Array) -> Option<Self> {
        let is_bytes = ["|u1", "<u1", "=u1"].contains(&array.kind.as_str());
        let smallest = u64::from(MIN_SIDE);
        let (count, height, width, channels, is_planar) = match array.shape[..] {
            [height, width, channels @ (1 | 3)] => (1, height, width, channels, false),
            [count, height, width] => (count, height, width, 1, false),
            [count, height, width, channels @ (1 | 3)] => (count, height, width, channels, false),
            [count, channels @ (1 | 3), height, width] => (count, height, width, channels, true),
            _ => return None,
        };
        let fits = height.min(width) >= smallest
            && height.checked_mul(width)? <= MAX_PIXELS
            && array.len().is_some();
        let side = |n: u64| u32::try_from(n).ok();
        (is_bytes && fits).then_some(Layout {
            count,
            height: side(height)?,
            width: side(width)?,
            channels: channels as u32,
            is_planar,
        })
    }

    fn read(&self, from: &mut dyn Read) -> io::Result<RgbImage> {
        let (width, height, channels) = (self.width as usize, self.height as usize, self.channels as usize);
        let mut values = vec![0; width * height * channels];
        from.read_exact(&mut values)?;
        let at = |x: usize, y: usize, c: usize| match self.is_planar {
            true => (c * height + y) * width + x,
            false => (y * width + x) * channels + c,
        };
        Ok(RgbImage::from_fn(self.width, self.height, |x, y| {
            Rgb([0, 1, 2].map(|c: usize| values[at(x as usize, y as usize, c.min(channels - 1))]))
        }))
    }
}

/// Words of an array's name.
fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(['_', '-', '.', '/']).map(str::to_ascii_lowercase)
}

fn split_of(name: &str) -> Option<Split> {
    words(name).find_map(|word| word.parse().ok())
}

fn is_labels(name: &str) -> bool {
    name == "arr_1" || words(name).any(|word| LABELS.contains(&word.as_str()))
}

/// `x_train (<f4, 10 x 28 x 28)`.
fn shown(array: &Array) -> String {
    let shape: Vec<String> = array.shape.iter().map(u64::to_string).collect();
    format!("{} ({}, {})", array.name, array.kind, shape.join(" x ")).trim_start().to_owned()
}

fn described(arrays: &[Array]) -> String {
    let all: Vec<String> = arrays.iter().take(20).map(shown).collect();
    format!("found {}", all.join(", "))
}

/// Labels of `count` images: integers or truths, [n] or [n, 1].
fn read_labels(path: &Path, array: &Array, count: u64) -> io::Result<Vec<u32>> {
    let shape = &array.shape;
    let width = match array.kind.as_bytes() {
        [b'|' | b'<' | b'=', b'u' | b'i' | b'b', width @ (b'1' | b'2' | b'4' | b'8')] => {
            usize::from(width - b'0')
        }
        _ => return Err(bad(&format!("the labels {} are no whole numbers", shown(array)))),
    };
    if shape.first() != Some(&count) || shape.iter().skip(1).any(|&n| n != 1) {
        return Err(bad(&format!("{count} images, and the labels {}", shown(array))));
    }
    let bytes = count.checked_mul(width as u64).filter(|&bytes| bytes <= MAX_FILE);
    let bytes =
        bytes.ok_or_else(|| bad(&format!("the labels {} are more than {MAX_FILE} bytes", shown(array))))?;
    let mut values = vec![];
    array::values(path, &array.name)?.take(bytes).read_to_end(&mut values)?;
    if values.len() as u64 != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let is_signed = array.kind.as_bytes()[1] == b'i';
    let label = |(row, value): (usize, &[u8])| {
        let is_negative = is_signed && value[width - 1] >= 0x80;
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(value);
        let label = u64::from_le_bytes(wide);
        match !is_negative && label <= MAX_LABEL as u64 {
            true => Ok(label as u32),
            false => Err(bad(&format!("the label of image {row} is no class number from 0 to {MAX_LABEL}"))),
        }
    };
    values.chunks_exact(width).enumerate().map(label).collect()
}
