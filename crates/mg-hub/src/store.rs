//! The cache, laid out as every program for the hub lays it out, so that what one has fetched serves the others:
//!
//! ```text
//! datasets--OWNER--NAME/refs/main                    the commit that a branch was last seen at
//! datasets--OWNER--NAME/blobs/HASH                   content
//! datasets--OWNER--NAME/snapshots/COMMIT/PATH        a link to content
//! datasets--OWNER--NAME/multigrid/HASH               size and time of a blob whose hash has been computed
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::digest::Hasher;
use crate::{Error, Known, Repo, Result};

pub(crate) struct Store {
    pub(crate) cache: PathBuf,
}

/// Whether content is there and is what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    Good,
    /// Another size or hash.
    Bad,
}

impl Store {
    pub(crate) fn folder(&self, repo: &Repo) -> PathBuf {
        self.cache.join(repo.folder())
    }

    pub(crate) fn snapshot(&self, repo: &Repo, commit: &str) -> PathBuf {
        self.folder(repo).join("snapshots").join(commit)
    }

    pub(crate) fn blob(&self, repo: &Repo, known: &Known) -> PathBuf {
        self.folder(repo).join("blobs").join(known.digest.hex())
    }

    /// The commit that a branch or tag was last seen at.
    pub(crate) fn reference(&self, repo: &Repo, revision: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder(repo).join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| crate::is_commit(commit))
    }

    pub(crate) fn set_reference(&self, repo: &Repo, revision: &str, commit: &str) -> Result<()> {
        let path = self.folder(repo).join("refs").join(revision);
        make_folder_of(&path)?;
        mg_files::write(&path, commit.as_bytes()).map_err(Error::io("write", &path))
    }

    /// What a file of a snapshot must be by the name of what it links to, which is its hash. Where anybody may write, nobody is
    /// believed.
    pub(crate) fn linked(&self, repo: &Repo, commit: &str, file: &str) -> Option<Known> {
        if self.is_open_to_all(repo) {
            return None;
        }
        let path = self.snapshot(repo, commit).join(file);
        let name = fs::read_link(&path).ok()?.file_name()?.to_str()?.to_owned();
        Some(Known { bytes: fs::metadata(&path).ok()?.len(), digest: crate::Digest::of_hex(&name)? })
    }

    /// Whether a snapshot's file leads to this content, and nowhere else.
    pub(crate) fn is_linked(&self, repo: &Repo, commit: &str, file: &str, known: &Known) -> bool {
        let (path, blob) = (self.snapshot(repo, commit).join(file), self.blob(repo, known));
        if cfg!(unix) {
            fs::canonicalize(path).is_ok_and(|path| fs::canonicalize(blob).is_ok_and(|blob| path == blob))
        } else {
            fs::metadata(path).is_ok_and(|metadata| metadata.len() == known.bytes)
        }
    }

    /// Judges a blob; its hash is computed once for every size and time it has had, or each time where anybody may write.
    pub(crate) fn state(&self, repo: &Repo, known: &Known) -> Result<State> {
        let blob = self.blob(repo, known);
        let is_known = || {
            let mark = fs::read_to_string(self.mark(repo, known));
            mark.is_ok_and(|mark| seen(&blob).is_ok_and(|seen| seen == mark))
        };
        let is_file = fs::symlink_metadata(&blob).is_ok_and(|metadata| metadata.is_file());
        match is_file && !self.is_open_to_all(repo) && is_known() {
            true => Ok(State::Good),
            false => self.hashed(repo, known),
        }
    }

    /// Judges a blob by its hash, which is computed now.
    pub(crate) fn hashed(&self, repo: &Repo, known: &Known) -> Result<State> {
        let blob = self.blob(repo, known);
        let Ok(metadata) = fs::symlink_metadata(&blob) else { return Ok(State::Missing) };
        if !metadata.is_file() || metadata.len() != known.bytes {
            return Ok(State::Bad); // a link leads to what may change behind its name
        }
        let mut hasher = Hasher::new(known);
        hasher.read(&blob, known.bytes)?;
        if hasher.finish() != known.digest {
            // So that nobody takes it for good by its time.
            let _ = fs::remove_file(self.mark(repo, known));
            return Ok(State::Bad);
        }
        self.set_good(repo, known)?;
        Ok(State::Good)
    }

    /// Remembers that a blob's hash has been computed and is right.
    pub(crate) fn set_good(&self, repo: &Repo, known: &Known) -> Result<()> {
        let mark = self.mark(repo, known);
        make_folder_of(&mark)?;
        let seen = seen(&self.blob(repo, known))?;
        mg_files::write(&mark, seen.as_bytes()).map_err(Error::io("write", &mark))
    }

    /// Whether everybody on this computer may write to the cache.
    fn is_open_to_all(&self, repo: &Repo) -> bool {
        let folder = self.folder(repo);
        [&self.cache, &folder, &folder.join("blobs")].into_iter().any(|path| is_open_to_all(path))
    }

    fn mark(&self, repo: &Repo, known: &Known) -> PathBuf {
        self.folder(repo).join("multigrid").join(known.digest.hex())
    }

    /// Deletes a blob, whatever it is.
    pub(crate) fn remove(&self, repo: &Repo, known: &Known) -> Result<()> {
        let blob = self.blob(repo, known);
        match fs::remove_file(&blob) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("delete", &blob)(error))
            }
            _ => Ok(()),
        }
    }

    /// Lets a snapshot's file lead to its content.
    pub(crate) fn link(&self, repo: &Repo, commit: &str, file: &str, known: &Known) -> Result<()> {
        let (blob, path) = (self.blob(repo, known), self.snapshot(repo, commit).join(file));
        let up = "../".repeat(file.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{}", known.digest.hex()));
        if fs::read_link(&path).is_ok_and(|found| found == target) {
            return Ok(());
        }
        make_folder_of(&path)?;
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).map_err(Error::io("replace", &path))?;
        }
        symlink(&target, &blob, &path).map_err(Error::io("link", &path))
    }

    /// Keeps other processes from fetching the same content; says through `waiting` when another one is.
    pub(crate) fn lock(&self, repo: &Repo, known: &Known, waiting: impl FnOnce()) -> Result<File> {
        let path = self.cache.join(".locks").join(repo.folder()).join(format!("{}.lock", known.digest.hex()));
        make_folder_of(&path)?;
        remove_link(&path)?;
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(Error::io("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        Ok(file)
    }
}

pub(crate) fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    mg_files::create_dir_all(folder).map_err(Error::io("create folder", folder))
}

/// Removes a link where a file is to be written, which would otherwise write to where it leads.
pub(crate) fn remove_link(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::remove_file(path).map_err(Error::io("replace", path)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_path: &Path) -> bool {
    false
}

/// Size and time of a file, as a mark holds them.
fn seen(path: &Path) -> Result<String> {
    let metadata = fs::metadata(path).map_err(Error::io("look at", path))?;
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{} {}", metadata.len(), time.unwrap_or_default().as_nanos()))
}

#[cfg(unix)]
fn symlink(target: &Path, _blob: &Path, path: &Path) -> std::io::Result<()> {
    // Two processes may link the same file at once; both lead to the same content.
    std::os::unix::fs::symlink(target, path).or_else(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })
}

/// Without the right to make symbolic links a second name of the content serves, or a copy.
#[cfg(not(unix))]
fn symlink(_target: &Path, blob: &Path, path: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(drop))
}
