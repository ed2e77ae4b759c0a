//! Which files of tables lie in a folder.

use std::path::{Path, PathBuf};

use crate::readable::readable;
use crate::split::{Split, no_split};
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

/// The files of a split.
#[derive(Debug, Default)]
pub(crate) struct SplitFiles {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) split: Option<Split>,
    /// What is left out.
    pub(crate) notes: Vec<String>,
}

/// The files of this ending that belong to a split. Without a wish they are those of `train`, where file names begin with
/// splits; a single file is taken as it is.
pub(crate) fn split_files(path: &Path, ending: &str, wish: Option<Split>) -> Result<SplitFiles> {
    let files = tables(path, ending)?;
    let name = |file: &PathBuf| readable(file.file_name().unwrap_or_default());
    let split_of = |file: &PathBuf| Split::of_name(&name(file));
    let single = (!path.is_dir()).then(|| split_of(&path.to_owned())).flatten();
    let any = files.iter().any(|file| split_of(file).is_some());
    let Some(split) = wish.or(single).or(any.then_some(Split::Train)) else {
        return Ok(SplitFiles { files, ..SplitFiles::default() });
    };
    let chosen: Vec<PathBuf> = files.iter().filter(|file| split_of(file) == Some(split)).cloned().collect();
    if chosen.is_empty() {
        let found = files.iter().map(name).collect::<Vec<_>>().join(", ");
        return Err(no_split(&path.display().to_string(), Some(split), &found));
    }
    let of_none: Vec<String> = files.iter().filter(|file| split_of(file).is_none()).map(name).collect();
    let notes = match of_none.as_slice() {
        [] => vec![],
        [one] => vec![format!("the name of {one} says no split, as others do: the file is left out")],
        [first, ..] => {
            let more = of_none.len() - 1;
            vec![format!(
                "the names of {first} and {more} more files say no split, as others do: they are left out"
            )]
        }
    };
    Ok(SplitFiles { files: chosen, split: Some(split), notes })
}

/// What lies in a folder and one level below.
pub(crate) fn nearby(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in entries(folder)? {
        match entry.is_dir() {
            true => files.extend(entries(&entry)?.into_iter().filter(|file| file.is_file())),
            false if entry.is_file() => files.push(entry),
            false => {} // a pipe would be waited for
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

/// What lies in a folder, but for what is hidden.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
