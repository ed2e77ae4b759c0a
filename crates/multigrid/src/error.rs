use std::io;
use std::path::PathBuf;

/// What can go wrong; most of it is told by the crate that does the work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// An energy could not be evaluated.
    #[error(transparent)]
    Energy(#[from] mg_energy::Error),
    /// A chain failed.
    #[error(transparent)]
    Langevin(#[from] mg_langevin::Error),
    /// A model cannot do what it was asked for.
    #[error(transparent)]
    Model(Box<mg_model::Error>),
    /// A model could not be read or learned.
    #[error(transparent)]
    Train(Box<mg_train::Error>),
    /// Images could not be read.
    #[error(transparent)]
    Data(#[from] mg_data::Error),
    /// Features could not be computed.
    #[error(transparent)]
    Backbone(#[from] mg_backbone::Error),
    /// Scores could not be computed.
    #[error(transparent)]
    Eval(#[from] mg_eval::Error),
    /// Pictures could not be made or written.
    #[error(transparent)]
    Figures(#[from] mg_figures::Error),
    /// A file of the hub could not be fetched.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] mg_hub::Error),
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing to draw.
    #[error("no image was asked for; draw at least one")]
    NoImages,
    /// A path that names no set of images.
    #[error("{} is no text, and names of sets are; rename it", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// Images whose shape has to be said.
    #[error(
        "the images of {name} have {width} x {height} pixels: say with Scores::between_folders_at(images, reference, side) \
         how large their squares are"
    )]
    NotSquare {
        /// The set.
        name: String,
        /// Of its first image.
        width: u32,
        /// Of its first image.
        height: u32,
    },
    /// An address on the hub, and a program that cannot go there.
    #[error(
        "{address} lies on the hub; build with the feature `hub` of the crate multigrid, or fetch it with `mg`"
    )]
    NoHub {
        /// The address.
        address: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<mg_model::Error> for Error {
    fn from(error: mg_model::Error) -> Self {
        Error::Model(Box::new(error))
    }
}

impl From<mg_train::Error> for Error {
    fn from(error: mg_train::Error) -> Self {
        Error::Train(Box::new(error))
    }
}
