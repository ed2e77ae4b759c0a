use std::path::PathBuf;

/// What can go wrong between images or numbers and a picture of them; every message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor that is no batch of images.
    #[error("images are [n, c, s, s] with no side empty, got {shape:?}")]
    NotImages {
        /// The shape as given.
        shape: Vec<usize>,
    },
    /// Images that are neither grey nor colour.
    #[error("images to look at have 1 or 3 channels, got {channels}; choose channels with narrow first")]
    Channels {
        /// Channels as given.
        channels: usize,
    },
    /// Batches of different sizes that should stand side by side.
    #[error("images beside others {got:?} do not fit images {expected:?}; pass tensors of one shape")]
    Shapes {
        /// Shape of the batch.
        got: Vec<usize>,
        /// Shape of the first batch.
        expected: Vec<usize>,
    },
    /// A sheet of nothing.
    #[error("a sheet needs at least one batch of images, got none")]
    EmptySheet,
    /// A sheet beyond the limit.
    #[error(
        "a sheet of {width}x{height} pixels exceeds the limit of {limit} a side; use fewer images or more columns"
    )]
    SheetTooLarge {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// The limit.
        limit: usize,
    },
    /// A plot that cannot be drawn.
    #[error("cannot draw the plot: {reason}")]
    Undrawn {
        /// What the plotting library says.
        reason: String,
    },
    /// A path whose ending lies about its content.
    #[error("{} would hold {expected} data; give it the ending .{expected}", path.display())]
    Ending {
        /// The path.
        path: PathBuf,
        /// The ending expected.
        expected: &'static str,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}; the file is as it was before", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An image that cannot be encoded.
    #[error("cannot encode {}: {source}", path.display())]
    Encode {
        /// The path.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
