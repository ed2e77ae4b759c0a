/// What can go wrong when an energy is built or evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A convolution or a score network could not be built or evaluated.
    #[error(transparent)]
    Kernel(#[from] mg_kernels::Error),
    /// A layer does not fit the map it is applied to.
    #[error(
        "layer {layer} ({kernel}x{kernel}, stride {stride}) does not fit a map of side {side}; use fewer or smaller layers, or more padding"
    )]
    LayerDoesNotFit {
        /// Number of the layer, from 1.
        layer: usize,
        /// Side of its kernel.
        kernel: usize,
        /// Its stride.
        stride: usize,
        /// Side of the map it meets.
        side: usize,
    },
    /// The description of a net is not one of a net.
    #[error("{0}")]
    Spec(String),
    /// A parameter is missing or has another shape than the net's description asks for.
    #[error(
        "parameter {name}: the net needs shape {expected:?}, found {found}; these weights belong to another architecture"
    )]
    Parameter {
        /// Name of the parameter.
        name: String,
        /// Shape that the spec asks for.
        expected: Vec<usize>,
        /// What is there.
        found: String,
    },
    /// A net that normalises with given statistics has none.
    #[error(
        "normalisation {norm} needs statistics: call ConvNet::with_statistics with those of an observed batch"
    )]
    NoStatistics {
        /// Name of the normalisation.
        norm: &'static str,
    },
    /// A function gave other energies than one for each chain.
    #[error(
        "the energies of {n} chains have shape {found:?}, not [{n}]; sum over all dimensions but the first: x.flatten_from(1)?.sum(1)"
    )]
    EnergyShape {
        /// What the function gave.
        found: Vec<usize>,
        /// Number of chains.
        n: usize,
    },
    /// Labels and scores of a classifier disagree.
    #[error("{0}")]
    Classifier(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
