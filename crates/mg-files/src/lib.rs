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

mod abandoned;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

pub use abandoned::remove_abandoned;
use abandoned::{PARTIAL, RANDOM};

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
        builder.rand_bytes(RANDOM);
        abandoned::remove_once(folder(path));
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
        // Through the C library, not past it as `persist` goes: a library that stands before it sees every commit. The file
        // stays open, and so locked, until it has its name.
        let (_locked, temporary) = self.temporary.keep().map_err(|error| error.error)?;
        std::fs::rename(&temporary, &self.path).inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
        sync_folder_of(&self.path)
    }
}

/// Makes a folder, and those above it that are missing; their names are on the disk when this returns.
///
/// # Errors
/// When one cannot be made, or the disk fails.
pub fn create_dir_all(folder: &Path) -> io::Result<()> {
    let above = folder.ancestors().filter(|above| !above.as_os_str().is_empty());
    let missing: Vec<&Path> = above.take_while(|above| !above.exists()).collect();
    std::fs::create_dir_all(folder)?;
    missing.iter().rev().try_for_each(|made| sync_folder_of(made))
}

/// Gives a file that is whole and flushed its last name, in place of what has it.
///
/// # Errors
/// When there is no such file, or the folder cannot be written to.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Whether a file holds these bytes and no others, read piece by piece.
///
/// # Errors
/// When it cannot be read.
pub fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut read = vec![0; 1 << 20];
    for piece in bytes.chunks(read.len()) {
        let read = &mut read[..piece.len()];
        file.read_exact(read)?;
        if read != piece {
            return Ok(false);
        }
    }
    Ok(true)
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
    fn a_file_holds_what_was_written_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let bytes: Vec<u8> = (0..(1 << 20) + 77).map(|i| i as u8).collect();
        write(&path, &bytes).unwrap();
        assert!(holds(&path, &bytes).unwrap());
        for (place, len) in [(0, bytes.len()), (1 << 20, bytes.len()), (0, bytes.len() - 1)] {
            let mut other = bytes[..len].to_vec();
            other[place] ^= 1;
            assert!(!holds(&path, &other).unwrap());
        }
        assert!(holds(&folder.path().join("nowhere"), &bytes).is_err());
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
    fn folders_are_made_with_those_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        for _ in 0..2 {
            create_dir_all(&deep).unwrap();
            assert!(deep.is_dir());
        }
        fs::write(folder.path().join("file"), "x").unwrap();
        assert!(create_dir_all(&folder.path().join("file/d")).is_err());
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
