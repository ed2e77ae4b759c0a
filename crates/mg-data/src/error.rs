use std::path::{Path, PathBuf};

use crate::Defect;

/// What can go wrong between a path and a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is neither a known set nor a path that exists.
    #[error(
        "no data set `{0}`: it is neither a path that exists nor the name of a built-in set (`portraits`)"
    )]
    Unknown(String),
    /// A source is not what it should be.
    #[error("{0}")]
    Check(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file of no format this crate reads.
    #[error("{}: neither an image (.png, .jpg, .jpeg, .webp), nor a parquet file, a MATLAB file, an IDX file, numpy's arrays, a tar or zip archive or a packed set; give one of these, an LMDB environment, CIFAR's batches, or a folder of images", .0.display())]
    Format(PathBuf),
    /// A folder without a single image file.
    #[error("{}: no image in this folder or below (looked for .png, .jpg, .jpeg and .webp)", .0.display())]
    NoImages(PathBuf),
    /// Tables of images in more than one folder.
    #[error("{}: .{ending} files in more than one folder ({folders}); point at one of them", path.display())]
    Several {
        /// The folder above.
        path: PathBuf,
        /// The ending of the files.
        ending: String,
        /// The folders with such files.
        folders: String,
    },
    /// Parquet files that hold no row.
    #[error("{0}: no rows")]
    NoRows(String),
    /// A source without the split that was asked for, or without splits at all.
    #[error("{source_name}: no `{split}` split here; found {found}")]
    NoSplit {
        /// The source.
        source_name: String,
        /// The split that was asked for.
        split: String,
        /// What there is instead.
        found: String,
    },
    /// A file of many images, or a row of it, that cannot be read.
    #[error("{}{}: {reason}", path.display(), row.map(|row| format!(", row {row}")).unwrap_or_default())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first row that could not be read, counted from 0 in this file.
        row: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// A bad image, where the policy is to refuse, or one that the system failed to read.
    #[error("{name}: {defect}; {}", match defect {
        Defect::Failed(_) => "try again once the disk or the system is well",
        _ => "remove it, or skip bad images",
    })]
    BadImage {
        /// Path, or file and row.
        name: String,
        /// What is wrong with it.
        defect: Defect,
    },
    /// Images were found but none was good.
    #[error("{source_name}: all {count} images are bad; the first is {name}: {defect}")]
    AllBad {
        /// The source.
        source_name: String,
        /// Images tried.
        count: u64,
        /// The first of them.
        name: String,
        /// What is wrong with it.
        defect: Defect,
    },
    /// Some images have a label and some have none.
    #[error(
        "{0}: some images up to this one have a label and some have none; give every image a label, or none"
    )]
    MixedLabels(String),
    /// A packed file that is cut, altered or of another version.
    #[error("{}: not a whole packed set: {reason}; pack it again", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A packed set of another side than the one asked for.
    #[error("{}: packed with side {packed}, but side {asked} was asked for; pack it again", path.display())]
    Side {
        /// The file.
        path: PathBuf,
        /// Its side.
        packed: usize,
        /// The side asked for.
        asked: usize,
    },
    /// A set too large to keep in memory.
    #[error(
        "{source_name}: {count} images of side {side} take {bytes} bytes, more than is kept in memory ({limit}); \
         give a cache folder, or pack the set to a file first"
    )]
    TooLarge {
        /// The source.
        source_name: String,
        /// Images.
        count: u64,
        /// Pixels on a side.
        side: usize,
        /// Bytes needed.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
    /// A class was asked of a set without labels.
    #[error("{0} has no labels, so class {1} cannot be chosen from it")]
    NoLabels(String, u32),
    /// A class that the set does not have.
    #[error("{name} has no image of class {class}; its classes are {classes}")]
    NoClass {
        /// The set.
        name: String,
        /// The class asked for.
        class: u32,
        /// Those it has.
        classes: String,
    },
    /// Images without labels.
    #[error(
        "{0} has no labels; use a table with a label column, or a folder with a sub-folder for each class"
    )]
    Unlabelled(String),
    /// A label that names no class.
    #[error("label {label} of image {image} in {set} is not below the {classes} classes")]
    NoSuchClass {
        /// Name of the set.
        set: String,
        /// Number of the image.
        image: usize,
        /// Its label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// Labels and images are not equally many.
    #[error("{labels} labels for the {images} images of {set}")]
    Labels {
        /// Name of the set.
        set: String,
        /// Labels given.
        labels: usize,
        /// Images.
        images: u64,
    },
    /// A class of the test images that the training images do not have.
    #[error("class {class:?} of {set} is none of the training images' classes, {known}")]
    UnknownClass {
        /// Name of the set.
        set: String,
        /// The class.
        class: String,
        /// The classes there are.
        known: String,
    },
    /// A class with fewer images than are to be drawn from it.
    #[error(
        "class {class:?} of {set} has {found} images beside the {held_out} held out for validation, {asked} are needed for {labels} labels; ask for fewer labels, or hold out fewer"
    )]
    TooFew {
        /// Name of the set.
        set: String,
        /// The class.
        class: String,
        /// Images of the class that may be drawn.
        found: usize,
        /// Images of all classes that are held out.
        held_out: usize,
        /// Images needed of the class.
        asked: usize,
        /// Labels asked for in all.
        labels: usize,
    },
    /// An image number past the end.
    #[error("there is no image {index} in a set of {len}; images are numbered from 0")]
    Index {
        /// The number asked for.
        index: u64,
        /// Images in the set.
        len: u64,
    },
    /// Flips for another number of images.
    #[error("{flips} flips for {images} images; give one for each, or none")]
    Flips {
        /// Flips given.
        flips: usize,
        /// Images asked for.
        images: usize,
    },
    /// No thread could be started to prepare batches.
    #[error("cannot start the thread that prepares batches: {0}")]
    Thread(std::io::Error),
    /// The thread that prepares batches panicked.
    #[error("the thread that prepares batches has panicked")]
    Loader,
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: names the path and what was tried.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }

    /// A file of many images, or a row of it, that is not what it should be.
    pub(crate) fn damaged(path: &Path, row: Option<u64>, reason: impl ToString) -> Self {
        Error::Damaged { path: path.to_owned(), row, reason: reason.to_string() }
    }
}
