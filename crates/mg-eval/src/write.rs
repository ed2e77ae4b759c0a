//! The one place of this crate that touches the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Puts `bytes` at `path` so that a reader sees the old file or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let temporary = temporary_beside(path)?;
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let moved = written.and_then(|()| fs::rename(&temporary, path));
        if moved.is_err() {
            // A leftover is harmless and the first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        moved
    };
    write().map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Refuses a path that does not end in `.{ending}`.
pub(crate) fn check_ending(path: &Path, ending: &'static str) -> Result<()> {
    match path.extension() {
        Some(found) if found.eq_ignore_ascii_case(ending) => Ok(()),
        _ => Err(Error::Ending { path: path.to_owned(), expected: ending }),
    }
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
    let name = path.file_name().ok_or_else(no_name)?.to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        write_atomically(&path, b"old and long").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["sheet.png"]);
    }

    #[test]
    fn a_failed_write_names_the_path_and_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no-such-folder").join("sheet.png");
        assert!(write_atomically(&missing, b"x").unwrap_err().to_string().contains("no-such-folder"));
        let occupied = folder.path().join("folder.png");
        fs::create_dir(&occupied).unwrap();
        assert!(write_atomically(&occupied, b"x").is_err());
        assert_eq!(names(folder.path()), ["folder.png"]);
        assert!(write_atomically(Path::new("/"), b"x").is_err());
    }

    #[test]
    fn endings_must_tell_the_truth() {
        assert!(check_ending(Path::new("a/b.PNG"), "png").is_ok());
        for path in ["b.jpg", "b", ".png", ""] {
            assert!(check_ending(Path::new(path), "png").is_err(), "{path}");
        }
    }
}
