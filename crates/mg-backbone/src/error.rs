use std::path::{Path, PathBuf};

/// What can go wrong between a file of weights and an image's features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// candle refused a tensor operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),

    /// A network refused its weights or its images.
    #[error(transparent)]
    Kernels(#[from] mg_kernels::Error),

    /// A file of weights cannot be read.
    #[error("cannot read weights {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A file of weights is another file than the one that was published.
    #[error(
        "{path} has the SHA-256 {found}, the published weights have {expected}: it is damaged or another file; \
         fetch it again",
        path = .path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Its hash, in hexadecimal.
        found: String,
        /// The hash of the published file.
        expected: String,
    },

    /// A file is not what its name says.
    #[error("{path}: {reason}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },

    /// A network's weights lack a tensor.
    #[error("{network}: the weights hold no tensor `{tensor}`; is this the file of another network?")]
    Missing {
        /// The network.
        network: &'static str,
        /// The tensor's name.
        tensor: String,
    },

    /// Images have a shape that no network takes.
    #[error("images have the shape {found:?}, expected [n, 3, side, side] with a positive side")]
    Images {
        /// The shape.
        found: Vec<usize>,
    },

    /// A file of features cannot be written.
    #[error("cannot write features {path}: {source}", path = .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// Another process writes the same features.
    #[error("{path} is being written by another process: wait for it, or use another cache folder", path = .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },

    /// A block of a file of features is not what was written.
    #[error("{path} is damaged from row {row} on: delete it, and its features are computed anew", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// First row of the block.
        row: usize,
    },

    /// Rows were asked for that a table does not have.
    #[error("cannot read rows {range:?} of {path}, which has {rows} rows", path = .path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// The rows asked for.
        range: std::ops::Range<usize>,
        /// Rows there are.
        rows: usize,
    },

    /// Images cannot be read.
    #[error("cannot read images {range:?}: {source}")]
    Image {
        /// Their numbers.
        range: std::ops::Range<usize>,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Features have another width than the network makes.
    #[error("{network} makes {expected} features per image, found {found}")]
    Width {
        /// The network.
        network: &'static str,
        /// Features it makes.
        expected: usize,
        /// Features found.
        found: usize,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
