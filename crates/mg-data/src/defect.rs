/// What makes an image bad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The file is not there, is not ours to read, or is no regular file.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// The system failed, which says nothing of the image: no policy leaves it out.
    #[error("could not be read now ({0})")]
    Failed(String),
    /// No bytes: an empty file, or a null in a table.
    #[error("empty")]
    Empty,
    /// A row of a table without bytes, but with the path of a file that is not below the table's folder.
    #[error("no bytes, but the path {0}, which is no file below the table's folder")]
    Elsewhere(String),
    /// Not one of the formats read.
    #[error("not a png, jpeg or webp image")]
    Format,
    /// A jpeg whose coefficients are coded arithmetically.
    #[error("a jpeg with arithmetic coding, which is not read; store it with Huffman coding, or as png")]
    Arithmetic,
    /// The file ends before the image does.
    #[error("truncated: the file ends before the image does")]
    Truncated,
    /// The decoder gave up.
    #[error("damaged ({0})")]
    Damaged(String),
    /// Fewer pixels on a side than [`MIN_SIDE`](crate::MIN_SIDE).
    #[error("{width} x {height} pixels, smaller than {min} on a side", min = crate::MIN_SIDE)]
    TooSmall {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// More pixels than [`MAX_PIXELS`](crate::MAX_PIXELS), or a decoder that asks for too much memory.
    #[error("{width} x {height} pixels, more than {max} in all", max = crate::MAX_PIXELS)]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// A file of more bytes than [`MAX_FILE`](crate::MAX_FILE).
    #[error("{0} bytes, more than {max}", max = crate::MAX_FILE)]
    TooLong(u64),
    /// Not a square, where images are taken as they are.
    #[error("{width} x {height} pixels, no square; say how it becomes one")]
    NotSquare {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Another size than the other images, where images are taken as they are.
    #[error("{found} pixels on a side where others have {side}; say to which side all are resized")]
    OtherSide {
        /// Pixels on a side.
        found: u32,
        /// Pixels expected.
        side: usize,
    },
    /// Other channels than red, green and blue of 8 bits, where images are taken as they are.
    #[error("its pixels are {0}, not RGB of 8 bits; convert it, or say how images are resized")]
    NotRgb(String),
    /// The crop does not fit into the image.
    #[error("{width} x {height} pixels, smaller than the crop of {crop}")]
    SmallerThanCrop {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Pixels of the crop's side.
        crop: u32,
    },
}
