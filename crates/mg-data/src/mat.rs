//! MATLAB files of level 5, as SVHN's cropped digits come: `X`, [height, width, 3, n] of bytes, and `y`, a label per image.
//! Images are read one by one, out of the compressed stream.
//!
//! After a head of 128 bytes come elements: type, bytes, data. A compressed element holds one other; a matrix holds
//! flags, dimensions, a name and values, column by column. Format: MathWorks, "MAT-File Format", level 5.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use image::RgbImage;

use crate::limits::{CHANNELS, MAX_FILE, MAX_LABEL, MAX_PIXELS};
use crate::record::{Content, Record, interleaved};
use crate::{Error, Result};

/// How such a file begins.
pub(crate) const MAGIC: &[u8] = b"MATLAB 5.0 MAT-file";

const HEAD: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
const U8: u32 = 2;
/// Bytes of flags, dimensions or a name; ours have a few.
const MOST_DESCRIPTION: u32 = 1024;
/// SVHN's files call the digit zero ten.
const TEN: u32 = 10;

/// A file whose matrices have been found; the images are checked as they are read.
pub(crate) struct Mat {
    path: PathBuf,
    /// Where the element with the images begins.
    at: u64,
    /// Height, width and number of images.
    shape: [u32; 3],
    labels: Option<Vec<u32>>,
}

/// A matrix up to its values.
struct Matrix {
    name: String,
    dimensions: Vec<u64>,
    /// Type of a value.
    kind: u32,
    /// Bytes of all values.
    size: u32,
    /// The values, when they lie in the tag itself.
    inside: Option<[u8; 4]>,
}

impl Mat {
    /// Opens a file and reads the labels.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, None, reason);
        let mut file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
        let length = file.get_ref().metadata().map_err(Error::io("read", path))?.len();
        let mut head = [0; HEAD];
        file.read_exact(&mut head).map_err(Error::io("read", path))?;
        if !head.starts_with(MAGIC) || head[124..] != [0, 1, b'I', b'M'] {
            return Err(damaged("not a little-endian MATLAB file of level 5".into()));
        }
        let (mut images, mut labels) = (None, None);
        let mut at = HEAD as u64;
        while at < length {
            let mut element = element(&mut file, at, length).map_err(|e| damaged(e.to_string()))?;
            let matrix = Matrix::read(&mut element.values).map_err(|e| damaged(e.to_string()))?;
            match matrix.name.as_str() {
                "X" => images = Some((at, matrix)),
                "y" => {
                    labels = Some(matrix.labels(&mut element.values).map_err(|e| damaged(e.to_string()))?);
                }
                _ => {}
            }
            at = element.end;
        }
        let Some((at, images)) = images else { return Err(damaged("there is no matrix X of images".into())) };
        let shape = images.shape().map_err(damaged)?;
        let [height, width, count] = shape;
        if !(1..=MAX_PIXELS).contains(&(u64::from(height) * u64::from(width))) {
            let limit = format!("an image has 1 to {MAX_PIXELS} in all");
            return Err(damaged(format!("images of {width} x {height} pixels; {limit}")));
        }
        if let Some(labels) = &labels
            && labels.len() as u64 != u64::from(count)
        {
            return Err(damaged(format!("{} labels for {count} images", labels.len())));
        }
        Ok(Mat { path: path.to_owned(), at, shape, labels })
    }

    /// Number of images.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.shape[2])
    }

    /// Images in order; one is in memory at a time.
    pub(crate) fn records(&self) -> Images<'_> {
        Images { of: self, values: None, row: 0, ended: false }
    }
}

/// Iterator over the images of a [`Mat`].
pub(crate) struct Images<'a> {
    of: &'a Mat,
    /// Open from the first image on.
    values: Option<Box<dyn Read>>,
    row: u64,
    ended: bool,
}

impl Iterator for Images<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.ended || self.row == self.of.len() {
            return None;
        }
        let image = self.image().map_err(|error| {
            self.ended = true;
            Error::damaged(&self.of.path, Some(self.row), error)
        });
        let label = self.of.labels.as_ref().map(|labels| labels[self.row as usize]);
        let file = self.of.path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{file} image {}", self.row);
        self.row += 1;
        Some(image.map(|image| Record { name, label, content: Content::Pixels(image) }))
    }
}

impl Images<'_> {
    fn image(&mut self) -> io::Result<RgbImage> {
        let values = match &mut self.values {
            Some(values) => values,
            None => {
                let file = File::open(&self.of.path)?;
                let length = file.metadata()?.len();
                let mut element = element(BufReader::new(file), self.of.at, length)?;
                Matrix::read(&mut element.values)?;
                self.values.insert(element.values)
            }
        };
        let [height, width, _] = self.of.shape;
        let mut columns = vec![0; (height * width) as usize * CHANNELS]; // [c][x][y]
        values.read_exact(&mut columns)?;
        Ok(interleaved(&columns, (width, height), |x, y| x * height as usize + y))
    }
}

impl Matrix {
    /// Reads a matrix up to its values.
    fn read(from: &mut dyn Read) -> io::Result<Self> {
        let (kind, ..) = tag(from)?;
        if kind != MATRIX {
            return Err(bad(format!("an element of type {kind} where a matrix is expected")));
        }
        described(from)?; // flags
        let words = described(from)?;
        let dimensions =
            words.chunks_exact(4).map(|w| u64::from(u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
        let (dimensions, name) = (dimensions.collect(), described(from)?);
        let name = String::from_utf8_lossy(&name).into_owned();
        let (kind, size, inside) = tag(from)?;
        Ok(Matrix { name, dimensions, kind, size, inside })
    }

    /// Height, width and number of images.
    fn shape(&self) -> std::result::Result<[u32; 3], String> {
        let (channels, count) = (CHANNELS as u64, self.dimensions.get(3).copied().unwrap_or(1));
        let bytes = self.dimensions.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        let fits = bytes == Some(u64::from(self.size)) && self.kind == U8 && self.inside.is_none();
        match self.dimensions[..] {
            [height, width, 3] | [height, width, 3, _] if fits => {
                // Their product is `size`, so each fits.
                Ok([height, width, count].map(|n| n as u32))
            }
            _ => Err(format!(
                "X has dimensions {:?} and {} bytes of type {}; images are [height, width, {channels}, n] of bytes",
                self.dimensions, self.size, self.kind
            )),
        }
    }

    /// The values as labels.
    fn labels(&self, from: &mut dyn Read) -> io::Result<Vec<u32>> {
        let width = match self.kind {
            1 | 2 => 1,
            3 | 4 => 2,
            5..=7 => 4,
            9 | 12 | 13 => 8,
            kind => return Err(bad(format!("labels of type {kind}, which are not numbers"))),
        };
        let count = self.dimensions.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        if count.and_then(|count| count.checked_mul(width)) != Some(u64::from(self.size)) {
            return Err(bad(format!("{:?} labels do not fill {} bytes", self.dimensions, self.size)));
        }
        if u64::from(self.size) > MAX_FILE {
            return Err(bad(format!("labels of {} bytes, more than {MAX_FILE}", self.size)));
        }
        let mut bytes = Vec::new();
        match self.inside {
            Some(inside) => bytes.extend(&inside[..self.size as usize]),
            None => drop(from.take(u64::from(self.size)).read_to_end(&mut bytes)?),
        }
        if bytes.len() != self.size as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.chunks_exact(width as usize).enumerate().map(|(row, value)| self.label(row, value)).collect()
    }

    fn label(&self, row: usize, value: &[u8]) -> io::Result<u32> {
        let mut wide = [0; 8];
        wide[..value.len()].copy_from_slice(value);
        let label = match self.kind {
            7 => f64::from(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]])),
            9 => f64::from_le_bytes(wide),
            _ => u64::from_le_bytes(wide) as f64,
        };
        if !(0.0..=MAX_LABEL as f64).contains(&label) || label.fract() != 0.0 {
            return Err(bad(format!("label {label} of image {row} is no class number")));
        }
        Ok(if label as u32 == TEN { 0 } else { label as u32 })
    }
}

/// An element of a file, out of its compression.
struct Element<'a> {
    values: Box<dyn Read + 'a>,
    end: u64,
}

/// The element that begins at `at` in a file of `length` bytes.
fn element<'a>(mut file: impl Read + Seek + 'a, at: u64, length: u64) -> io::Result<Element<'a>> {
    file.seek(SeekFrom::Start(at))?;
    let (kind, size, _) = tag(&mut file)?;
    let end = at + 8 + u64::from(size);
    if end > length {
        return Err(bad(format!("an element of {size} bytes at {at}, but the file has {length}")));
    }
    let values: Box<dyn Read + 'a> = match kind {
        COMPRESSED => Box::new(ZlibDecoder::new(BufReader::new(file.take(u64::from(size))))),
        _ => {
            file.seek(SeekFrom::Start(at))?;
            Box::new(file.take(8 + u64::from(size)))
        }
    };
    Ok(Element { values, end })
}

/// Type and bytes of what follows, and up to four bytes that lie in the tag itself.
fn tag(from: &mut dyn Read) -> io::Result<(u32, u32, Option<[u8; 4]>)> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    let [a, b, c, d, data @ ..] = bytes;
    let (kind, size) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(data));
    match kind >> 16 {
        0 => Ok((kind, size, None)),
        small @ 1..=4 => Ok((kind & 0xffff, small, Some(data))),
        small => Err(bad(format!("{small} bytes in a tag that holds four"))),
    }
}

/// A short element and the padding after it.
fn described(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let (_, size, small) = tag(from)?;
    if let Some(data) = small {
        return Ok(data[..size as usize].to_vec());
    }
    if size > MOST_DESCRIPTION {
        return Err(bad(format!("a description of {size} bytes, more than {MOST_DESCRIPTION}")));
    }
    let mut bytes = vec![0; size.next_multiple_of(8) as usize];
    from.read_exact(&mut bytes)?;
    bytes.truncate(size as usize);
    Ok(bytes)
}

fn bad(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
