//! Files that are written whole and on disk, or not at all.
//!
//! A checkpoint that is cut in the middle is worse than none. Everything of Multigrid that must survive a full disk, a
//! kill or a loss of power is written here: to a file of another name in the same folder, flushed to the disk, renamed
//! over the old one, the folder flushed too.
//!
//! ```
//! use std::io::Write;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! mg_files::write(&folder.join("small"), b"at once")?;
//!
//! let mut large = mg_files::WholeFile::create(&folder.join("large"))?;
//! for part in 0..3 {
//!     writeln!(large, "part {part}")?;
//! }
//! large.publish()?; // before this nobody sees it; without it nothing stays
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Errors are those of the system; callers name the path.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};

/// Puts `bytes` at `path`, in place of what is there.
///
/// # Errors
/// When the folder is missing, the disk is full, or `path` names a folder; then what was there stays.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.publish()
}

/// A file that appears under its name, whole and on disk, when it is [published](WholeFile::publish); dropped before
/// that, it leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// When `path` names no file, or its folder is missing or cannot be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        let name = path.file_name().ok_or_else(no_name)?.to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(PARTIAL);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any new file; the system subtracts the user's mask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder(path))?;
        // A mark that it is in use; where the system has no locks, nothing is taken for abandoned either.
        let _ = temporary.as_file().try_lock();
        Ok(WholeFile { temporary, path: path.to_owned() })
    }

    /// Puts the file in its place, in place of what is there.
    ///
    /// # Errors
    /// When the disk is full or `path` is a folder; then what was there stays.
    pub fn publish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.path).map_err(|error| error.error)?;
        sync_folder_of(&self.path)
    }
}

/// How files end that are not published yet.
const PARTIAL: &str = ".partial";
/// Files that were not written to for so long and are locked by nobody are abandoned.
const LONG: Duration = Duration::from_secs(60);

/// Gives a file that is whole and flushed its last name, in place of what has it.
///
/// # Errors
/// When there is no such file, or the folder cannot be written to.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Deletes what processes that were killed left of files in a folder; returns how many files that were. What cannot be deleted
/// stays.
pub fn remove_abandoned(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| is_abandoned(path) && std::fs::remove_file(path).is_ok()).count()
}

fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    if !name.starts_with(b".") || !name.ends_with(PARTIAL.as_bytes()) {
        return false;
    }
    let age = || std::fs::metadata(path)?.modified()?.elapsed().map_err(io::Error::other);
    let unlocked = || File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    age().is_ok_and(|age: Duration| age > LONG) && unlocked()
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.temporary.seek(to)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Flushes the folder that a path lies in: a new name, of a file or a folder, reaches the disk with it. Only Unix lets folders be
/// opened.
///
/// # Errors
/// When the disk fails.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        write(&path, b"old and long").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["sheet.png"]);
    }

    #[test]
    fn a_file_that_is_not_published_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WholeFile::create(&folder.path().join("large")).unwrap();
        file.write_all(b"a part").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        assert!(!folder.path().join("large").exists());
        drop(file);
        assert_eq!(names(folder.path()).len(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_deleted_and_what_another_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let age = |path: &Path, seconds| {
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(seconds))
                .unwrap();
        };
        for (name, seconds) in [(".large.a1.partial", 600), (".fresh.b2.partial", 1), ("mine.partial", 600)] {
            fs::write(path(name), "a part").unwrap();
            age(&path(name), seconds);
        }
        let writing = WholeFile::create(&path("large")).unwrap();
        age(writing.temporary.path(), 600);
        assert_eq!(remove_abandoned(folder.path()), 1);
        assert!(!path(".large.a1.partial").exists() && path(".fresh.b2.partial").exists());
        assert!(path("mine.partial").exists());
        writing.publish().unwrap();
        assert!(path("large").exists());
        assert_eq!(remove_abandoned(&path("nowhere")), 0);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("no-such-folder").join("a"), b"x").is_err());
        let occupied = folder.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        assert!(write(&occupied, b"x").is_err());
        assert_eq!(names(folder.path()), ["folder"]);
        assert!(write(Path::new("/"), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_any_new_file_lets_them_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
