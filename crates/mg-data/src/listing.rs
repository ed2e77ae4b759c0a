//! Which files of tables lie in a folder.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Endings of files that are tables of images.
pub(crate) const PARQUET: &str = "parquet";
pub(crate) const MATLAB: &str = "mat";

/// The files of this ending in a folder or one level below, sorted; a file is itself. Files in more than one folder are
/// an error, for they are different tables.
pub(crate) fn tables(path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    tables_among(&nearby(path)?, path, ending)
}

/// What lies in a folder and one level below.
pub(crate) fn nearby(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            files.extend(entries(&entry)?);
        } else {
            files.push(entry);
        }
    }
    Ok(files)
}

/// Those of these files of `path` that end so, sorted; all in one folder.
pub(crate) fn tables_among(files: &[PathBuf], path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = files.iter().filter(|file| has_extension(file, ending)).cloned().collect();
    files.sort();
    let mut folders: Vec<_> = files.iter().filter_map(|file| file.parent()).collect();
    folders.sort();
    folders.dedup();
    if folders.len() > 1 {
        let folders =
            folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        let (path, ending) = (path.to_owned(), ending.to_owned());
        return Err(Error::Several { path, ending, folders });
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
        let visible = entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        Ok(visible.map(|entry| entry.path()).collect())
    };
    read().map_err(Error::io("read folder", folder))
}

/// Whether a file's name ends so, in capitals or not.
pub(crate) fn has_extension(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}
