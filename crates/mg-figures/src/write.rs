//! The one place of this crate that touches the disk.

use std::path::Path;

use crate::{Error, Result};

/// Puts `bytes` at `path` so that a reader sees the old file or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    mg_files::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Refuses a path that does not end in `.{ending}`.
pub(crate) fn check_ending(path: &Path, ending: &'static str) -> Result<()> {
    match path.extension() {
        Some(found) if found.eq_ignore_ascii_case(ending) => Ok(()),
        _ => Err(Error::Ending { path: path.to_owned(), expected: ending }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no-such-folder").join("sheet.png");
        assert!(write_atomically(&missing, b"x").unwrap_err().to_string().contains("no-such-folder"));
    }

    #[test]
    fn endings_must_tell_the_truth() {
        assert!(check_ending(Path::new("a/b.PNG"), "png").is_ok());
        for path in ["b.jpg", "b", ".png", ""] {
            assert!(check_ending(Path::new(path), "png").is_err(), "{path}");
        }
    }
}
