/// What can go wrong between labelled images and the error of a classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A convolution could not be computed.
    #[error(transparent)]
    Kernel(#[from] mg_kernels::Error),
    /// A net could not be built or evaluated.
    #[error(transparent)]
    Energy(#[from] mg_energy::Error),
    /// Images do not fit the grids.
    #[error(transparent)]
    Pyramid(#[from] mg_pyramid::Error),
    /// Images could not be read.
    #[error(transparent)]
    Data(#[from] mg_data::Error),
    /// A mean of no values.
    #[error(transparent)]
    Eval(#[from] mg_eval::Error),
    /// A model cannot do what it must, or a configuration is out of range.
    #[error(transparent)]
    Model(#[from] mg_model::Error),
    /// A setting out of its range.
    #[error("{name} is {value}; it must be {must}")]
    Setting {
        /// What is set.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        must: String,
    },
    /// Images of another size than the nets'.
    #[error("images of {set} have side {side}, the finest grid has {finest}; open them at side {finest}")]
    Side {
        /// Name of the set.
        set: String,
        /// Side of its images.
        side: usize,
        /// Side of the finest grid.
        finest: usize,
    },
    /// Something that a probe cannot do with this model or configuration.
    #[error("{0}")]
    Unsupported(String),
    /// Maps that would not fit into memory.
    #[error(
        "the maps of {images} images take {bytes} bytes, more than {limit}; use fewer labels or validation images, narrower nets, or --trunk fine-tuned, which keeps none"
    )]
    Memory {
        /// Images whose maps are kept.
        images: u64,
        /// Bytes they take.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Learning diverged.
    #[error(
        "the loss is {loss} in epoch {epoch}: a learning rate of {rate} (of the trunk {trunk_rate}) is too large; use a smaller one"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
        /// Epoch, from 1.
        epoch: usize,
        /// Learning rate of the head as configured.
        rate: f64,
        /// Learning rate of the trunk as configured; 0 where it does not learn.
        trunk_rate: f64,
    },
    /// A class score that is not a number.
    #[error(
        "the scores of image {image} are not finite: {scores:?}; the nets hold numbers that are too large"
    )]
    Scores {
        /// The image's place in its batch.
        image: usize,
        /// Its scores.
        scores: Vec<f64>,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
