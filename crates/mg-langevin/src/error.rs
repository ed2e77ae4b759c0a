use candle_core::Shape;

/// What can go wrong while sampling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),

    /// The energy could not be evaluated.
    #[error(transparent)]
    Energy(#[from] mg_energy::Error),

    /// Images could not be moved between grids.
    #[error(transparent)]
    Pyramid(#[from] mg_pyramid::Error),

    /// A number of a kernel is out of its range.
    #[error("{name} = {value} is not usable; it must be {must}")]
    Parameter {
        /// The field.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The range it must lie in.
        must: &'static str,
    },

    /// A tensor has a shape that does not fit.
    #[error("{what} has shape {got:?}; expected {expected}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        got: Shape,
        /// What would fit.
        expected: String,
    },

    /// The levels of a sweep do not go from coarse to fine.
    #[error(
        "level {level} is the {side} x {side} grid, after a grid of side {before}; order levels coarse to fine"
    )]
    LevelOrder {
        /// Number of the level, from 0.
        level: usize,
        /// Side of its grid.
        side: usize,
        /// Side of the images that reach it.
        before: usize,
    },

    /// A recovery must end on the grid of the image.
    #[error(
        "the image is {side} x {side} but the levels end at side {finest:?}; make the last level the image's grid"
    )]
    FinestLevel {
        /// Side of the image.
        side: usize,
        /// Side of the last level, if there is one.
        finest: Option<usize>,
    },

    /// There is neither one mask nor one per image.
    #[error("{masks} masks for {images} images; pass one mask, or one per image")]
    MaskCount {
        /// How many masks were passed.
        masks: usize,
        /// How many images.
        images: usize,
    },

    /// A mask is not on the grid of the image.
    #[error(
        "a mask is {mask} x {mask} but the images are {image} x {image}; make the mask on the images' grid"
    )]
    MaskSide {
        /// Side of the mask.
        mask: usize,
        /// Side of the image.
        image: usize,
    },

    /// The observer asked to stop.
    #[error("stopped by the observer at level {level}, step {step}: {source}")]
    Stopped {
        /// Number of the level, 0 outside a sweep.
        level: usize,
        /// The step just taken, from 0.
        step: usize,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Fails unless `value` is finite and satisfies `holds`.
pub(crate) fn check(name: &'static str, value: f64, holds: bool, must: &'static str) -> Result<()> {
    if value.is_finite() && holds { Ok(()) } else { Err(Error::Parameter { name, value, must }) }
}
