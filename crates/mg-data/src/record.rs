use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use image::RgbImage;
use parquet::data_type::ByteArray;

use crate::decode::{check_size, size};
use crate::limits::MAX_FILE;
use crate::{Defect, Resize, decode};

/// One image of a source before it is decoded.
pub(crate) struct Record {
    /// Path below the folder, or file and row.
    pub(crate) name: String,
    pub(crate) label: Option<u32>,
    pub(crate) content: Content,
}

/// Where the bytes are.
pub(crate) enum Content {
    File(PathBuf),
    Cell(ByteArray),
    Bytes(Vec<u8>),
    Pixels(RgbImage),
    Null,
    /// A file that is not there.
    Elsewhere(String),
}

impl Record {
    /// Bytes of memory the record holds.
    pub(crate) fn size(&self) -> usize {
        let content = match &self.content {
            Content::Cell(cell) => cell.len(),
            Content::Bytes(bytes) => bytes.len(),
            Content::Pixels(image) => image.len(),
            Content::File(_) | Content::Null | Content::Elsewhere(_) => 0,
        };
        self.name.len() + content
    }

    /// Reads and decodes the image: 3 side^2 bytes.
    pub(crate) fn decode(&self, side: usize, resize: Resize) -> Result<Vec<u8>, Defect> {
        match &self.content {
            Content::Cell(cell) => decode(cell.data(), side, resize),
            Content::Bytes(bytes) => decode(bytes, side, resize),
            Content::Pixels(image) => {
                check_size(image.width(), image.height())?;
                resize.apply(image, side)
            }
            Content::Null => Err(Defect::Empty),
            Content::Elsewhere(path) => Err(Defect::Elsewhere(path.clone())),
            Content::File(path) => decode(&read(path)?, side, resize),
        }
    }

    /// Width and height before anything is resized.
    pub(crate) fn size_of_image(&self) -> Result<(u32, u32), Defect> {
        match &self.content {
            Content::Cell(cell) => size(cell.data()),
            Content::Bytes(bytes) => size(bytes),
            Content::Pixels(image) => Ok(image.dimensions()),
            Content::Null => Err(Defect::Empty),
            Content::Elsewhere(path) => Err(Defect::Elsewhere(path.clone())),
            Content::File(path) => size(&read(path)?),
        }
    }
}

/// An image out of three planes, red, green and blue, in which pixel (x, y) lies at `at(x, y)`.
pub(crate) fn interleaved(
    planes: &[u8],
    (width, height): (u32, u32),
    at: impl Fn(usize, usize) -> usize,
) -> RgbImage {
    let plane = (width * height) as usize;
    RgbImage::from_fn(width, height, |x, y| {
        let at = at(x as usize, y as usize);
        image::Rgb([planes[at], planes[plane + at], planes[2 * plane + at]])
    })
}

/// The bytes of a file, if they are not too many.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Defect> {
    let unreadable = |error: Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => Defect::Unreadable(error.to_string()),
        // Too many open files, a disk that fails: another time the image may be there.
        _ => Defect::Failed(error.to_string()),
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Defect::Unreadable("it is no regular file".to_owned())); // a pipe would be waited for
    }
    if metadata.len() > MAX_FILE {
        return Err(Defect::TooLong(metadata.len()));
    }
    std::fs::read(path).map_err(unreadable)
}
