use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong while learning, and with what it leaves on disk.
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
    /// A data set could not be read.
    #[error(transparent)]
    Data(#[from] mg_data::Error),
    /// A statistic failed.
    #[error(transparent)]
    Eval(#[from] mg_eval::Error),
    /// A model could not be made, opened or used.
    #[error(transparent)]
    Model(Box<mg_model::Error>),
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}{}", advice(.source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// More learners than parts of a batch, or one that is none of them.
    #[error(
        "learner {rank} (from 0) of {size} has no part of a batch of {batch} images, which at most {most} can share; take \
         fewer learners or a larger learn.batch"
    )]
    Learners {
        /// Which learner.
        rank: usize,
        /// How many there are.
        size: usize,
        /// Images of a batch.
        batch: usize,
        /// Most learners that can share it.
        most: usize,
    },
    /// A configuration is not TOML.
    #[error("{place}: {message}")]
    ConfigSyntax {
        /// The file, preset or option.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A configuration names a key that does not exist.
    #[error("{place}: unknown key {key}; {suggestion}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The file, preset or option.
        place: String,
        /// What to do.
        suggestion: String,
    },
    /// A part of a configuration is not readable although all of its documented keys are in range.
    #[error("the part {name} of the configuration is not readable: {source}")]
    ConfigSection {
        /// The section or key.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A value has the wrong type, or is out of range.
    #[error("{message} (from {places}); `mg config explain KEY` says what a key may be")]
    ConfigValue {
        /// What is wrong.
        message: String,
        /// The layers that were merged.
        places: String,
    },
    /// There is no such preset.
    #[error("no preset {name:?}; there are {known}")]
    UnknownPreset {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A file is not what it should be.
    #[error("{path} is not a usable {what}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What it is instead.
        reason: String,
    },
    /// A run directory is in use, or cannot be used for what was asked.
    #[error("run {path}: {reason}")]
    Run {
        /// The run directory.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Learning diverged more often than the guard allows.
    #[error(
        "learning diverged at iteration {iteration}: {reason}; {rollbacks} rollbacks did not help. The last good checkpoint is kept; lower learn.rate or chains.step_size and start anew, or raise guard.rollbacks and resume"
    )]
    Diverged {
        /// The iteration.
        iteration: u64,
        /// What the guard saw.
        reason: String,
        /// How often it had rolled back.
        rollbacks: u32,
    },
    /// Images of which no pixel differs from any other.
    #[error(
        "all pixels of the {images} images of {set} have the colour {colour:?}, so there is nothing to learn; look at the \
         files, and at data.crop, which may keep only what lies in the middle"
    )]
    OneColour {
        /// Name of the set.
        set: String,
        /// How many images there are.
        images: u64,
        /// Red, green and blue, of 255.
        colour: Vec<u8>,
    },
    /// A class was named that the data do not have, or labels are missing.
    #[error("{0}")]
    Class(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    pub(crate) fn value(key: &str, value: impl ToString, must: impl ToString) -> Self {
        mg_model::Error::value(key, value, must).into()
    }
}

impl From<mg_model::Error> for Error {
    fn from(error: mg_model::Error) -> Self {
        Error::Model(Box::new(error))
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; nothing older was lost: free some space, then go on with --resume"
        }
        io::ErrorKind::PermissionDenied => "; check its permissions or choose another place",
        _ => "",
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
