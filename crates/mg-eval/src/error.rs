use std::ops::Range;

/// What can go wrong between images and numbers; every message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A score of nothing.
    #[error("a score needs at least one value, got none")]
    NoValues,
    /// A set without a score.
    #[error("the set {set} has no score; there must be at least one")]
    NoScores {
        /// Name of the set.
        set: String,
    },
    /// A score that is no usable number.
    #[error("score {index} of {set} is {value}; did the model diverge?")]
    BadScore {
        /// Name of the set.
        set: String,
        /// Number of the score, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A category that does not exist.
    #[error("category {category} is not below the {n} categories")]
    Category {
        /// The category.
        category: usize,
        /// How many there are.
        n: usize,
    },
    /// Tensors that should have one shape.
    #[error("{what} {got:?} do not fit images {expected:?}; pass tensors of one shape")]
    Shapes {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        got: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// A tensor that is no batch of images.
    #[error("images are [n, c, s, s] with no side empty, got {shape:?}")]
    NotImages {
        /// The shape as given.
        shape: Vec<usize>,
    },
    /// A mask of something else than zeros and ones.
    #[error("observed pixels are 1 and hidden ones 0, image {image} has {value}")]
    NotAMask {
        /// Index of the image.
        image: usize,
        /// The value.
        value: f64,
    },
    /// A pixel that is not a number.
    #[error("{what} image {image} holds {value}; did its chain diverge?")]
    NotFinite {
        /// Which tensor.
        what: &'static str,
        /// Index of the image.
        image: usize,
        /// The value.
        value: f64,
    },
    /// A recovery without hidden pixels.
    #[error("no pixel of the {images} images is hidden, so there is no recovery to score")]
    NothingHidden {
        /// Number of images.
        images: usize,
    },
    /// Numbers that make no table of features.
    #[error(
        "{values} numbers do not make whole rows of {dim} features; pass whole rows of at least one feature"
    )]
    Ragged {
        /// Numbers given.
        values: usize,
        /// Features per row.
        dim: usize,
    },
    /// A feature that is not a number.
    #[error("the feature at row {row}, column {column} is {value}; look at image {row}")]
    NotFiniteFeature {
        /// Number of the row.
        row: usize,
        /// Number of the column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// Rows that a table does not have or did not give.
    #[error("cannot read rows {} to {} of a table of {n} rows", range.start, range.end)]
    NoSuchRows {
        /// The rows asked for.
        range: Range<usize>,
        /// Rows that there are.
        n: usize,
    },
    /// Features kept elsewhere that cannot be read.
    #[error("cannot read features: {0}")]
    Features(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Tables of different features.
    #[error(
        "tables of {first} and {second} features cannot be compared; take both from one network, at least one feature"
    )]
    Dims {
        /// Features per row of the first.
        first: usize,
        /// Features per row of the second.
        second: usize,
    },
    /// A table too small for a score.
    #[error("{score} needs at least {needed} images, got {n}")]
    TooFewRows {
        /// Which score.
        score: &'static str,
        /// Rows needed.
        needed: usize,
        /// Rows given.
        n: usize,
    },
    /// A matrix that no set of rows has as its covariance.
    #[error("a covariance of {dim} features is not positive semi-definite; compute the moments again")]
    NotACovariance {
        /// Features per row.
        dim: usize,
    },
    /// Singular values that were not found.
    #[error(
        "the singular values of a {rows}x{columns} matrix do not converge; are its features of sane size?"
    )]
    NotConverged {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// Subsets that cannot be drawn.
    #[error("cannot draw subsets of {size} from {n} images; take from 2 to {n}")]
    SubsetSize {
        /// Rows of a subset.
        size: usize,
        /// Rows of the smaller set.
        n: usize,
    },
    /// The 0th neighbour.
    #[error("the nearest neighbour is number 1, got 0")]
    NoNeighbour,
    /// Rows that make no groups.
    #[error(
        "{n} images cannot be split into groups of {group}; take groups of at least 2 that leave none over"
    )]
    Groups {
        /// Rows of a group.
        group: usize,
        /// Rows given.
        n: usize,
    },
    /// Stored moments that no set has.
    #[error("stored moments are not usable: {reason}; compute them again")]
    StoredMoments {
        /// What is wrong.
        reason: String,
    },
    /// Images too small for windows.
    #[error(
        "images of side {side} hold no {window}x{window} window; compare images of side {window} or more"
    )]
    SmallerThanWindow {
        /// Side of the images.
        side: usize,
        /// Side of the windows.
        window: usize,
    },
    /// Features that are no matrix, or an empty one.
    #[error(
        "{what} features are [n, d] with at least one row and one column, got {shape:?}; flatten what belongs to one image"
    )]
    NotFeatures {
        /// Which set.
        what: &'static str,
        /// The shape as given.
        shape: Vec<usize>,
    },
    /// Fewer than two classes.
    #[error("a classifier needs at least 2 classes, got {classes}; label images of more classes")]
    OneClass {
        /// Number of classes.
        classes: usize,
    },
    /// Labels missing, or too many.
    #[error("{labels} labels for {rows} rows of {what} features; give every row one label")]
    LabelCount {
        /// Which set.
        what: &'static str,
        /// Labels given.
        labels: usize,
        /// Rows of features.
        rows: usize,
    },
    /// A label that is no class.
    #[error(
        "label {label} of row {row} of the {what} features is not below the number of classes, {classes}"
    )]
    Label {
        /// Which set.
        what: &'static str,
        /// The row.
        row: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A feature that is not a number.
    #[error("{what} features hold {value} in row {row}, column {column}; did the net diverge?")]
    FeatureNotFinite {
        /// Which set.
        what: &'static str,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// Features of two widths.
    #[error("{what} features have {width} columns, {other} features {expected}; compute both with one net")]
    Widths {
        /// Which set.
        what: &'static str,
        /// Its columns.
        width: usize,
        /// The set it should fit.
        other: &'static str,
        /// Columns of the set it should fit.
        expected: usize,
    },
    /// Sets of different classes.
    #[error(
        "{what} features have {classes} classes, {other} features {expected}; give both the same classes"
    )]
    ClassCounts {
        /// Which set.
        what: &'static str,
        /// Its classes.
        classes: usize,
        /// The set it should fit.
        other: &'static str,
        /// Classes of the set it should fit.
        expected: usize,
    },
    /// A class that no row belongs to.
    #[error("class {class} has no row in the {what} features; add one, or number the classes without it")]
    ClassAbsent {
        /// Which set.
        what: &'static str,
        /// The class.
        class: usize,
    },
    /// Too few images of a class for a balanced draw.
    #[error(
        "class {class} has {has} images to draw {wanted} from; draw fewer labels, or hold fewer images out"
    )]
    TooFewOfClass {
        /// The class.
        class: usize,
        /// Its images.
        has: usize,
        /// Images a draw takes of each class.
        wanted: usize,
    },
    /// A regularisation constant C out of its range.
    #[error("C is {c}; it must be positive and finite, 1e-3 for example")]
    Regularisation {
        /// C as given.
        c: f64,
    },
    /// A protocol that measures nothing.
    #[error("{name} of the protocol is 0 or empty; give at least one")]
    EmptyProtocol {
        /// The field.
        name: &'static str,
    },
    /// Features too large for their products.
    #[error("products of the features overflow at C = {c}; scale the features down")]
    FeaturesOverflow {
        /// The regularisation constant.
        c: f64,
    },
    /// A fit that rounding keeps from its minimum.
    #[error(
        "a support vector machine is still {gap:.1e} of its objective from the minimum after {steps} steps at C = {c}; \
         scale the features to about 1, or lower C"
    )]
    Unsolved {
        /// The regularisation constant.
        c: f64,
        /// Newton steps done.
        steps: usize,
        /// The largest duality gap, as a share of the objective.
        gap: f64,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
