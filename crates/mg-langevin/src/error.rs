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

    /// A scale that no coordinate can be divided by.
    #[error("the scale, of shape {shape:?}, holds numbers that are not finite and positive, or none at all")]
    Scale {
        /// Its shape.
        shape: Shape,
    },

    /// The levels of a climb do not go from coarse to fine.
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

    /// A Gaussian that is not of a level's grid.
    #[error(
        "chains of the {side} x {side} grid were to begin at a Gaussian of side {gaussian}; give each level its own"
    )]
    GaussianSide {
        /// Side of the grid.
        side: usize,
        /// Side of the images that the Gaussian draws.
        gaussian: usize,
    },

    /// A level has nothing to move its chains with.
    #[error("level {level} has no kernel; give one for all its steps, or several")]
    NoKernel {
        /// Number of the level, from 0.
        level: usize,
    },

    /// A level has nothing to sample.
    #[error("level {level} has no energy; give one for all its steps, or several")]
    NoEnergy {
        /// Number of the level, from 0.
        level: usize,
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

    /// A uniform reference without bounds.
    #[error("a uniform reference on all of space is no density; give it bounds, or take a Gaussian one")]
    Improper,

    /// The powers of a ladder do not go from 0 to 1.
    #[error("power {at} of the ladder is {value}; powers increase from 0, the reference, to 1, the model")]
    Ladder {
        /// Number of the power, from 0.
        at: usize,
        /// Its value.
        value: f64,
    },

    /// There is neither one kernel for all temperatures nor one for each.
    #[error(
        "{kernels} kernels for {between} temperatures between reference and model; pass one, or one each"
    )]
    KernelCount {
        /// How many kernels were passed.
        kernels: usize,
        /// How many temperatures need one.
        between: usize,
    },

    /// A chain of an annealing has a score that no weight can hold.
    #[error("the score of chain {chain} is {score} at power {beta}; did the model diverge?")]
    Score {
        /// Number of the chain.
        chain: usize,
        /// Its score f.
        score: f64,
        /// The power b of its temperature.
        beta: f64,
    },

    /// Chains that ought to be samples of a bounded model lie outside its bounds.
    #[error("chain {chain} lies outside the bounds {min} to {max}; exact samples of the model cannot")]
    Outside {
        /// Number of the chain.
        chain: usize,
        /// Least value of a coordinate.
        min: f64,
        /// Greatest value of a coordinate.
        max: f64,
    },

    /// Weights that estimate nothing.
    #[error(
        "{n} log weights, of which {usable} are above minus infinity and none may be above or NaN; an estimate needs two or more, and one that counts"
    )]
    Weights {
        /// How many weights there are.
        n: usize,
        /// How many count.
        usable: usize,
    },

    /// Draws that cannot be diagnosed.
    #[error(
        "{chains} chains of {shortest} to {longest} draws, {not_finite} of them not finite, {spread}; a diagnosis needs chains of one length, at least 4, of finite draws that differ"
    )]
    Draws {
        /// How many chains.
        chains: usize,
        /// Draws of the shortest.
        shortest: usize,
        /// Draws of the longest.
        longest: usize,
        /// Draws that are infinite or no numbers.
        not_finite: usize,
        /// Whether they differ.
        spread: &'static str,
    },

    /// The observer asked to stop.
    #[error("stopped by the observer at level {level}, step {step}: {source}")]
    Stopped {
        /// Number of the level, 0 outside a climb.
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
