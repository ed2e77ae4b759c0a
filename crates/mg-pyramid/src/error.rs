#[cfg(feature = "files")]
use std::path::PathBuf;

/// What can go wrong between an image and its grids; every message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A ladder with fewer than two grids.
    #[error(
        "a ladder needs the 1x1 grid and at least one grid with a model, got {sides:?}; try 1, 4, 16, 64"
    )]
    LadderTooShort {
        /// The sides as given.
        sides: Vec<usize>,
    },
    /// A ladder that does not begin with the 1x1 grid.
    #[error("a ladder starts at side 1, where chains begin, not at {first}; put 1 in front of {sides:?}")]
    LadderStart {
        /// The first side as given.
        first: usize,
        /// The sides as given.
        sides: Vec<usize>,
    },
    /// A ladder that does not climb.
    #[error("grid {next} after grid {previous} in {sides:?}: list the sides from coarse to fine, each once")]
    LadderOrder {
        /// A side.
        previous: usize,
        /// The side after it.
        next: usize,
        /// The sides as given.
        sides: Vec<usize>,
    },
    /// A grid beyond [`MAX_SIDE`](crate::MAX_SIDE).
    #[error("grid {side} is larger than the limit of {}", crate::MAX_SIDE)]
    SideTooLarge {
        /// The side as given.
        side: usize,
    },
    /// A side that is not on the ladder.
    #[error("there is no grid {side} among {sides:?}")]
    NoSuchGrid {
        /// The side asked for.
        side: usize,
        /// The sides there are.
        sides: Vec<usize>,
    },
    /// A tensor that is no batch of square images.
    #[error(
        "images are [n, c, s, s] with no side empty, got {shape:?}; resize or crop them to squares first"
    )]
    NotImages {
        /// The shape as given.
        shape: Vec<usize>,
    },
    /// Integer images.
    #[error(
        "images hold floating-point values in [-1, 1], got {dtype:?}; map a byte b to b / 127.5 - 1 first"
    )]
    NotFloat {
        /// The type as given.
        dtype: candle_core::DType,
    },
    /// A request to down-scale to a larger side, or to side 0.
    #[error("cannot scale side {from} down to {to}: the new side must lie in 1..={from}")]
    Down {
        /// Side of the images.
        from: usize,
        /// Side asked for.
        to: usize,
    },
    /// A request to up-scale to a smaller side.
    #[error("cannot scale side {from} up to {to}: the new side must be at least {from}")]
    Up {
        /// Side of the images.
        from: usize,
        /// Side asked for.
        to: usize,
    },
    /// Images that do not live on the finest grid.
    #[error(
        "images of side {images} do not fit a ladder whose finest grid is {finest}; resize them to {finest}"
    )]
    FinestSide {
        /// Side of the images.
        images: usize,
        /// Finest side of the ladder.
        finest: usize,
    },
    /// A list of pixels that is not a square of the given side.
    #[error("a mask of side {side} has {} pixels, got {len}", side.saturating_mul(*side))]
    MaskLength {
        /// Side of the mask.
        side: usize,
        /// Number of pixels given.
        len: usize,
    },
    /// A mask without pixels, or beyond the limit.
    #[error("a mask needs a side of 1..={}, got {side}", crate::MAX_SIDE)]
    MaskSide {
        /// The side as given.
        side: usize,
    },
    /// A square that leaves its grid.
    #[error("a {size}x{size} square at row {top}, column {left} leaves the {side}x{side} grid")]
    SquareOutside {
        /// Side of the square.
        size: usize,
        /// First row.
        top: usize,
        /// First column.
        left: usize,
        /// Side of the grid.
        side: usize,
    },
    /// A fraction outside [0, 1].
    #[error("the hidden fraction must lie in 0..=1, got {fraction}")]
    Fraction {
        /// The fraction as given.
        fraction: f64,
    },
    /// Masks and images that do not fit each other.
    #[error(
        "{masks} masks of side {mask_side} do not fit images {shape:?}; pass one mask, or one per image, of the same side"
    )]
    MaskMisfit {
        /// Number of masks.
        masks: usize,
        /// Side of the masks.
        mask_side: usize,
        /// Shape of the images.
        shape: Vec<usize>,
    },
    /// Masks of different sides in one batch.
    #[error("masks of sides {first} and {other} cannot share a batch; make them on one grid")]
    MaskSides {
        /// Side of the first mask.
        first: usize,
        /// Another side.
        other: usize,
    },
    /// An empty list of masks.
    #[error("no masks were given; pass one mask, or one per image")]
    NoMasks,
    /// A mask file that cannot be opened.
    #[cfg(feature = "files")]
    #[error("cannot read the mask {}: {source}", path.display())]
    MaskIo {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A mask file that is no image.
    #[cfg(feature = "files")]
    #[error("the mask {} is not a readable image: {source}", path.display())]
    MaskImage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// A mask file of another size.
    #[cfg(feature = "files")]
    #[error("the mask {} is {width}x{height}, the images are {side}x{side}; resize the mask", path.display())]
    MaskFileSize {
        /// The file.
        path: PathBuf,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The side needed.
        side: usize,
    },
    /// A name that is no form of the initial distribution.
    #[error("unknown form of the initial distribution {name:?}; choose triples, per-channel or pooled")]
    UnknownForm {
        /// The name as given.
        name: String,
    },
    /// A distribution learned from no images.
    #[error("there were no images to learn the distribution from; learn it from at least one")]
    NothingLearned,
    /// Images that are not 1x1.
    #[error(
        "the initial distribution is learned from 1x1 images [n, c, 1, 1], got {shape:?}; use down(x, 1) first"
    )]
    NotOneByOne {
        /// The shape as given.
        shape: Vec<usize>,
    },
    /// A batch with another number of channels than the batches before it.
    #[error(
        "the initial distribution has {learned} channels, these images have {given}; keep to one kind of image"
    )]
    Channels {
        /// Channels so far.
        learned: usize,
        /// Channels of this batch.
        given: usize,
    },
    /// A pixel that is not a grey level.
    #[error(
        "1x1 image {image} of the batch holds {value}, outside [-1, 1]; map a byte b to b / 127.5 - 1 first"
    )]
    OutOfRange {
        /// Index within the batch.
        image: usize,
        /// The value.
        value: f32,
    },
    /// Stored tensors that are no initial distribution.
    #[error("stored initial distribution: {reason}; the file is damaged or not of this kind")]
    Stored {
        /// What is wrong.
        reason: String,
    },
    /// Images too large for the covariance of their pixels.
    #[error(
        "images of {channels} channels and side {side} have {numbers} numbers each, a Gaussian takes 1 to {most}; \
         choose a coarser grid, or another upscaling for this one"
    )]
    GaussianSize {
        /// Channels of the images.
        channels: usize,
        /// Side of the images.
        side: usize,
        /// Numbers per image, channels side^2.
        numbers: usize,
        /// The most numbers an image may have, [`MAX_GAUSSIAN`](crate::MAX_GAUSSIAN).
        most: usize,
    },
    /// Images of another shape than a Gaussian's.
    #[error(
        "this Gaussian takes images of {} channels and side {}, these have {} channels and side {}; \
         use images of the grid it belongs to",
        needed.0, needed.1, given.0, given.1
    )]
    GaussianImages {
        /// (channels, side) as given.
        given: (usize, usize),
        /// (channels, side) it takes.
        needed: (usize, usize),
    },
    /// Images with a number that is not finite, which have no covariance.
    #[error("the images for a Gaussian hold a number that is not finite; look for NaN or infinity in them")]
    GaussianNotFinite,
    /// Stored tensors that are no conditional Gaussian.
    #[error("stored Gaussian of a grid: {reason}; the file is damaged or not of this kind")]
    StoredGaussian {
        /// What is wrong.
        reason: String,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
