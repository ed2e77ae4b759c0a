/// What can go wrong with a learned model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// An energy could not be built or evaluated.
    #[error(transparent)]
    Energy(#[from] mg_energy::Error),
    /// A grid, mask or initial distribution does not fit.
    #[error(transparent)]
    Pyramid(#[from] mg_pyramid::Error),
    /// A chain failed.
    #[error(transparent)]
    Langevin(#[from] mg_langevin::Error),
    /// Images could not be read.
    #[error(transparent)]
    Images(Box<dyn std::error::Error + Send + Sync>),
    /// Bytes are not what they should be.
    #[error("{0}")]
    Format(String),
    /// A tensor that is never written nor read.
    #[error("the tensor {name} holds {count} numbers that are not finite")]
    NotFinite {
        /// Its name.
        name: String,
        /// How many of its numbers are infinite or none.
        count: usize,
    },
    /// A model of a kind that is not known here.
    #[error("it is a model of the kind {kind:?}; this program knows {known}, so a newer one made it")]
    Kind {
        /// The kind.
        kind: String,
        /// Those that are known.
        known: String,
    },
    /// A model was asked for what it cannot do.
    #[error("a {kind} model cannot {what}; it can {can}")]
    Lacks {
        /// The kind of the model.
        kind: String,
        /// What was asked for.
        what: &'static str,
        /// What it can do.
        can: String,
    },
    /// A value is out of range.
    #[error("{key} is {value}; it must be {must}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What it may be.
        must: String,
    },
    /// A grid was named that the model does not have.
    #[error("no grid {side} in this model; there are {known}")]
    NoGrid {
        /// The side asked for.
        side: usize,
        /// The sides there are.
        known: String,
    },
    /// Images of another side than the model's finest grid.
    #[error(
        "images of side {side} for a model whose finest grid has side {finest}; open them with that side"
    )]
    ImageSide {
        /// Side of the images.
        side: usize,
        /// Side of the finest grid.
        finest: usize,
    },
    /// A class was named that the model does not have, or none where it has several.
    #[error("{0}")]
    Class(String),
    /// Images that share a 1x1 image do not fill batches.
    #[error(
        "{per_start} images from each 1x1 image do not fill batches of {batch} (learn.batch); take a divisor of {batch}"
    )]
    PerStart {
        /// Images from each 1x1 image.
        per_start: usize,
        /// Images drawn together.
        batch: usize,
    },
}

impl Error {
    /// A value that must be something else.
    pub fn value(key: &str, value: impl ToString, must: impl ToString) -> Self {
        Error::Value { key: key.to_string(), value: value.to_string(), must: must.to_string() }
    }

    /// Images that could not be read.
    pub fn images(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Images(error.into())
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
