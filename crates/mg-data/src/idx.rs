//! IDX files, as MNIST and its kind come: grey images as bytes, and a label each in a file beside, compressed by gzip or not.
//! Format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use image::{Rgb, RgbImage};

use crate::limits::{MAX_FILE, MAX_PIXELS};
use crate::readable::readable;
use crate::record::{Content, Record};
use crate::split::{Split, no_split};
use crate::{Error, Result};

/// A file of images, and the labels of the file beside it.
pub(crate) struct Idx {
    images: PathBuf,
    labels: Option<Vec<u32>>,
    /// Number of images, height, width.
    shape: [u32; 3],
    pub(crate) split: Option<Split>,
}

/// What a file says before its values: zeros, the type of a value, the number of dimensions.
const BYTES: [u8; 3] = [0, 0, 8];

impl Idx {
    /// A file, or that of a split in a folder.
    pub(crate) fn open(path: &Path, wish: Option<Split>) -> Result<Self> {
        let (images, split) = choose(path, wish)?;
        let damaged = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| Error::damaged(&path, None, error)
        };
        let (_, dimensions) = begin(&images).map_err(damaged(&images))?;
        let [count, height, width] = dimensions[..] else {
            let reason = format!("dimensions {dimensions:?}; images are [n, height, width]");
            return Err(Error::damaged(&images, None, reason));
        };
        if !(1..=MAX_PIXELS).contains(&(u64::from(height) * u64::from(width))) {
            let reason =
                format!("images of {width} x {height} pixels; an image has 1 to {MAX_PIXELS} in all");
            return Err(Error::damaged(&images, None, reason));
        }
        let read = |path: PathBuf| labels(&path, count).map_err(damaged(&path));
        let labels = labels_beside(&images).map(read).transpose()?;
        Ok(Idx { images, labels, shape: [count, height, width], split })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.images
    }

    /// Number of images.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.shape[0])
    }

    /// Images in order; one is in memory at a time. Ends after the first error.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        let [count, height, width] = self.shape;
        let (mut values, mut failed) = (None, false);
        let file = self.images.file_name().map(readable).unwrap_or_default();
        (0..count).map_while(move |row| {
            if failed {
                return None;
            }
            let image = (|| {
                let values = match &mut values {
                    Some(values) => values,
                    None => values.insert(begin(&self.images)?.0),
                };
                let mut grey = vec![0; height as usize * width as usize];
                values.read_exact(&mut grey)?;
                io::Result::Ok(RgbImage::from_fn(width, height, |x, y| {
                    Rgb([grey[(y * width + x) as usize]; 3])
                }))
            })();
            failed = image.is_err();
            let label = self.labels.as_ref().map(|labels| labels[row as usize]);
            let record = |image| Record {
                name: format!("{file} image {row}"),
                label,
                content: Content::Pixels(image),
            };
            Some(image.map(record).map_err(|error| Error::damaged(&self.images, Some(row.into()), error)))
        })
    }
}

/// Whether the name is that of a file of images: `train-images-idx3-ubyte`, or with other marks, or with `.gz` behind it.
pub(crate) fn is_idx(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.contains("idx3") && name.contains("images")
}

/// The file of images to read, and its split where its name says one.
fn choose(path: &Path, wish: Option<Split>) -> Result<(PathBuf, Option<Split>)> {
    let files = match path.is_dir() {
        true => {
            let entries = std::fs::read_dir(path).map_err(Error::io("read folder", path))?.flatten();
            let mut files: Vec<PathBuf> =
                entries.map(|entry| entry.path()).filter(|path| is_idx(path)).collect();
            files.sort();
            files
        }
        false => vec![path.to_owned()],
    };
    let own = match path.is_dir() {
        true => files.iter().any(|file| split_of(file).is_some()).then_some(Split::Train),
        false => split_of(path),
    };
    let wanted = wish.or(own);
    let mut chosen = files.iter().filter(|file| wanted.is_none() || split_of(file) == wanted);
    match (chosen.next(), chosen.next()) {
        (Some(file), None) => Ok((file.clone(), wanted)),
        (None, _) => {
            let names = files.iter().map(|file| readable(file.file_name().unwrap_or_default()));
            Err(no_split(&path.display().to_string(), wanted, &names.collect::<Vec<_>>().join(", ")))
        }
        (Some(a), Some(b)) => {
            let reason = format!("{} and {} hold images; name one of them", a.display(), b.display());
            Err(Error::Setting(reason))
        }
    }
}

/// The split that a word of a file's name says; MNIST's test images are called `t10k`.
fn split_of(file: &Path) -> Option<Split> {
    let name = file.file_name()?.to_string_lossy().to_ascii_lowercase();
    let split = |word: &str| if word == "t10k" { Some(Split::Test) } else { word.parse().ok() };
    name.split(['-', '_', '.']).find_map(split)
}

/// The file of labels beside a file of images: its name with other words in the same places.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let path = images.with_file_name(name.replace("images", "labels").replace("idx3", "idx1"));
    let other = match path.to_str()?.strip_suffix(".gz") {
        Some(plain) => PathBuf::from(plain),
        None => PathBuf::from(format!("{}.gz", path.display())),
    };
    [path, other].into_iter().find(|path| path.is_file())
}

/// The values of a file of bytes, and its dimensions.
fn begin(path: &Path) -> io::Result<(Box<dyn Read>, Vec<u32>)> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let is_compressed = io::BufRead::fill_buf(&mut file)?.starts_with(&[0x1f, 0x8b]);
    let mut values: Box<dyn Read> =
        if is_compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut start = [0; 4];
    values.read_exact(&mut start)?;
    if start[..3] != BYTES || start[3] > 4 {
        let reason = format!("it begins with {start:?}, not as IDX files of bytes do");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut dimensions = vec![0; usize::from(start[3]) * 4];
    values.read_exact(&mut dimensions)?;
    let number = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok((values, dimensions.chunks_exact(4).map(number).collect()))
}

/// The labels of so many images.
fn labels(path: &Path, images: u32) -> io::Result<Vec<u32>> {
    let bad = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let (values, dimensions) = begin(path)?;
    let [count] = dimensions[..] else {
        return Err(bad(format!("dimensions {dimensions:?}; labels are [n]")));
    };
    if count != images || u64::from(count) > MAX_FILE {
        let reason = format!("{count} labels for {images} images in the file beside it; {MAX_FILE} at most");
        return Err(bad(reason));
    }
    let mut labels = vec![];
    values.take(u64::from(count)).read_to_end(&mut labels)?;
    match labels.len() == count as usize {
        true => Ok(labels.into_iter().map(u32::from).collect()),
        false => Err(bad(format!("{} of {count} labels", labels.len()))),
    }
}
