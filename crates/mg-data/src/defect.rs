/// What makes an image bad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The file could not be read.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// No bytes: an empty file, or a null in a table.
    #[error("empty")]
    Empty,
    /// Not one of the formats read.
    #[error("not a png, jpeg or webp image")]
    Format,
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
