/// What can go wrong when shapes, weights and images meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// candle refused a tensor operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),

    /// A convolution has no output: the kernel is larger than the padded image, or a size is zero.
    #[error(
        "a {kernel}x{kernel} kernel with stride {stride} does not fit side {side} padded by {pad_before} before \
         and {pad_after} after: it needs a positive kernel and stride and a padded side of at least {kernel}"
    )]
    DoesNotFit {
        /// Side of the kernel.
        kernel: usize,
        /// Stride.
        stride: usize,
        /// Side of the image.
        side: usize,
        /// Zero rows (and columns) before the image.
        pad_before: usize,
        /// Zero rows (and columns) after the image.
        pad_after: usize,
    },

    /// A window would make a map that is not square.
    #[error("{window} on side {side} makes {rows} rows and {columns} columns: pad it so that they agree")]
    NotSquare {
        /// The window.
        window: String,
        /// Side of the map.
        side: usize,
        /// Rows of the output.
        rows: usize,
        /// Columns of the output.
        columns: usize,
    },

    /// A tensor has another shape than its role asks for.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's role.
        what: String,
        /// The shape it must have; 0 stands for any size.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },

    /// Tensors that meet in one operation have different element types.
    #[error("{what} holds {found:?} values where {expected:?} is needed: convert it with `to_dtype`")]
    DType {
        /// The tensor's role.
        what: String,
        /// The type needed.
        expected: candle_core::DType,
        /// The type found.
        found: candle_core::DType,
    },

    /// A layer's parts contradict each other.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// Index of the layer, from 0.
        layer: usize,
        /// What is wrong and what to do.
        reason: String,
    },

    /// A convolution's maps are too large to be addressed.
    #[error("{geometry}: {reason}")]
    TooLarge {
        /// The convolution.
        geometry: String,
        /// What is too large and what to do.
        reason: String,
    },

    /// A layer was asked for that the network does not have.
    #[error("layer {layer} was asked for, but the network has {count} layers (0 is the first)")]
    NoSuchLayer {
        /// The index asked for.
        layer: usize,
        /// How many layers there are.
        count: usize,
    },

    /// A part of a batch that begins or ends inside a lane of weight gradients.
    #[error(
        "{n} images from image {first} on, of a batch of {of}, are not whole lanes of weight gradients: a part begins \
         and ends at one of {borders:?}, see `Part::share`"
    )]
    Part {
        /// The part's first image.
        first: usize,
        /// Images of the part.
        n: usize,
        /// Images of the batch.
        of: usize,
        /// Where lanes begin, and where the last one ends.
        borders: Vec<usize>,
    },

    /// Weight sums of a part of a batch were asked of a network that normalises over the batch.
    #[error(
        "layer {layer} normalises over the whole batch, so weight gradients of a part of it do not add up: use \
         `Norm::Group` or `Norm::Fixed`, or `score_and_weight_grads` of the whole batch"
    )]
    Coupled {
        /// The first layer with [`Norm::Batch`](crate::Norm::Batch), from 0.
        layer: usize,
    },

    /// Derivatives along directions were asked of a network that normalises maps by what is in them.
    #[error(
        "layer {layer} normalises its maps by their own statistics, and gradients of scores along directions have no such \
         pass: use `Norm::None` or `Norm::Fixed`"
    )]
    Normalises {
        /// The first layer with [`Norm::Batch`](crate::Norm::Batch) or [`Norm::Group`](crate::Norm::Group), from 0.
        layer: usize,
    },

    /// A list of weight sums of another length than the network's.
    #[error(
        "a list of {found} weight sums where the network has {expected}: give the sum, tensor by tensor, of the lists \
         that `score_and_weight_sums` returns"
    )]
    WeightSums {
        /// Tensors in the list.
        found: usize,
        /// Tensors that the network asks for.
        expected: usize,
    },

    /// A route cannot run where the tensors are.
    #[error(
        "the fused engine runs on the CPU in f32 or f64, not in {dtype:?} on {device}: use `Route::Tensor`"
    )]
    Route {
        /// Element type of the weights.
        dtype: candle_core::DType,
        /// Where the weights are.
        device: String,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Tensor(inner) => inner,
            other => Self::wrap(other),
        }
    }
}
