use std::path::{Path, PathBuf};

/// What can go wrong between a name and a verified file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that names no repository, revision or file.
    #[error("`{name}` {reason}")]
    Name {
        /// What was given.
        name: String,
        /// Why it cannot be one.
        reason: String,
    },
    /// A file or folder of the cache could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The server refuses, and would again.
    #[error("{url}: the server answers {status}{}", advice(*status))]
    Refused {
        /// What was asked for.
        url: String,
        /// The status of its answer.
        status: u16,
    },
    /// The server could not be reached, or did not deliver, however often it was asked.
    #[error(
        "{url}: {reason}; tried {attempts} times; what has arrived is kept, the next try goes on from there"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// How it failed the last time.
        reason: String,
        /// Tries without progress.
        attempts: u32,
    },
    /// What arrived, or lies in the cache, is not what it should be.
    #[error("{what}: {found} instead of {expected}")]
    Damaged {
        /// The address or path.
        what: String,
        /// Length or hash that it should have.
        expected: String,
        /// What it has.
        found: String,
    },
    /// A set of which some files are in the cache and some are not.
    #[error(
        "{repo}: {missing} of {of} files are missing or damaged, {file} first; fetch it again to complete it"
    )]
    Incomplete {
        /// The repository.
        repo: String,
        /// Files that are missing or wrong.
        missing: usize,
        /// Files that there should be.
        of: usize,
        /// The first of those.
        file: String,
    },
    /// A request would have been needed in offline mode.
    #[error("{0} needs a request, and offline mode sends none")]
    Offline(String),
    /// A file of which the server gives no hash or no length, so that it could not be verified.
    #[error("{0}: the server does not give both hash and length of this file, so it cannot be verified")]
    Unverifiable(String),
    /// A file that is said to be larger than any file of its kind.
    #[error(
        "{file} of {repo} is said to have {bytes} bytes, and a model has at most {most}: nothing was fetched"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The repository.
        repo: String,
        /// Bytes that it is said to have.
        bytes: u64,
        /// Bytes that are believed.
        most: u64,
    },
    /// A lock file that cannot be read.
    #[error("{}: not a lock file: {reason}; delete it to begin a new one", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The hub's interface failed: listing, creating or committing.
    #[error("cannot {doing} {repo}: {reason}")]
    Hub {
        /// What was tried.
        doing: &'static str,
        /// On which repository.
        repo: String,
        /// What the hub answered.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: names the path and what was tried.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "; it asks who you are: set HF_TOKEN to a token of your account",
        403 => "; accept the terms on its page with your account, and set HF_TOKEN to a token of it",
        404 => "; look for a slip in the name, or set HF_TOKEN if it is private",
        _ => "",
    }
}
