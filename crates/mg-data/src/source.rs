use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::folder::is_image;
use crate::{Error, Result};

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The embedded set `portraits`.
    Portraits,
    /// A folder of png, jpeg and webp images, with everything below it.
    Folder(PathBuf),
    /// One png, jpeg or webp image: a set of one.
    Image(PathBuf),
    /// A parquet file, or a folder with such files in it, one level below it, or both, as on the Hugging Face hub.
    Parquet(PathBuf),
    /// A tar archive of such images, plain or compressed by gzip.
    Archive(PathBuf),
    /// An LMDB environment, as LSUN's: its folder, or the file in it.
    Lmdb(PathBuf),
    /// A MATLAB file with `X` and `y`, as SVHN's cropped digits, or a folder of them.
    Matlab(PathBuf),
    /// A folder of CIFAR's batches, binary or Python.
    Cifar(PathBuf),
    /// A file made by [`pack`](crate::pack).
    Packed(PathBuf),
}

impl Source {
    /// Finds out what a name or a path means: the name `portraits`, else whatever lies at the path.
    ///
    /// A folder with parquet files is [`Source::Parquet`], any other [`Source::Folder`]. To mean a folder of the
    /// name `portraits`, write `./portraits`.
    ///
    /// # Errors
    /// When nothing is there, or a file of a format that is not read.
    pub fn find(name: &str) -> Result<Self> {
        if name == "portraits" {
            return Ok(Source::Portraits);
        }
        let path = PathBuf::from(name);
        let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Unknown(name.to_owned()),
            _ => Error::Io { doing: "open", path: path.clone(), source: error },
        })?;
        if metadata.is_dir() { Self::of_folder(path) } else { Self::of_file(path) }
    }

    fn of_folder(path: PathBuf) -> Result<Self> {
        Ok(if path.join(crate::lmdb::DATA).is_file() {
            Source::Lmdb(path)
        } else if crate::cifar::batches(&path).is_some() {
            Source::Cifar(path)
        } else {
            let files = nearby(&path)?;
            if !tables_among(&files, &path, PARQUET)?.is_empty() {
                Source::Parquet(path)
            } else if !tables_among(&files, &path, MATLAB)?.is_empty() {
                Source::Matlab(path)
            } else {
                Source::Folder(path)
            }
        })
    }

    fn of_file(path: PathBuf) -> Result<Self> {
        let mut start = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(START).read_to_end(&mut start));
        read.map_err(Error::io("read", &path))?;
        let is_lmdb = path.file_name().is_some_and(|name| name == crate::lmdb::DATA);
        if start.starts_with(&crate::packed::MAGIC) {
            Ok(Source::Packed(path))
        } else if start.starts_with(b"PAR1") || has_extension(&path, PARQUET) {
            Ok(Source::Parquet(path))
        } else if start.starts_with(crate::mat::MAGIC) || has_extension(&path, MATLAB) {
            Ok(Source::Matlab(path))
        } else if is_lmdb {
            Ok(Source::Lmdb(path))
        } else if is_image(&path) {
            Ok(Source::Image(path))
        } else if start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) || is_compressed_tar(&path) {
            Ok(Source::Archive(path))
        } else {
            Err(Error::Format(path))
        }
    }

    /// The file or folder, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::Portraits => None,
            Source::Folder(path)
            | Source::Image(path)
            | Source::Parquet(path)
            | Source::Archive(path)
            | Source::Lmdb(path)
            | Source::Matlab(path)
            | Source::Cifar(path)
            | Source::Packed(path) => Some(path),
        }
    }

    /// A short name for reports and cache files: that of the file or folder.
    pub fn name(&self) -> String {
        let Some(path) = self.path() else { return "portraits".to_owned() };
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        full.file_stem().map_or_else(|| "images".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            None => f.write_str("portraits"),
            Some(path) => path.display().fmt(f),
        }
    }
}

/// A part of a set: of files whose names begin with it, or of folders named so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// `train`.
    Train,
    /// `test`.
    Test,
    /// `validation`, also written `valid` or `val`.
    Validation,
    /// `extra`: SVHN's easier images.
    Extra,
}

impl Split {
    /// The split that a file or folder name begins with: `test` of `test-00000-of-00001.parquet`.
    pub(crate) fn of_name(name: &str) -> Option<Split> {
        name.split(['-', '_', '.']).next().and_then(|word| word.to_ascii_lowercase().parse().ok())
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Validation => "validation",
            Split::Extra => "extra",
        })
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "train" => Ok(Split::Train),
            "test" => Ok(Split::Test),
            "validation" | "valid" | "val" => Ok(Split::Validation),
            "extra" => Ok(Split::Extra),
            _ => Err(Error::Setting(format!("split `{text}` is none of train, test, validation, extra"))),
        }
    }
}

/// Endings of files that are tables of images.
pub(crate) const PARQUET: &str = "parquet";
pub(crate) const MATLAB: &str = "mat";
/// What a tar archive holds, and where.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Bytes of a file that its format is told by.
const START: u64 = 512;

/// The files of this ending in a folder or one level below, sorted; a file is itself. Files in more than one folder are
/// an error, for they are different tables.
pub(crate) fn tables(path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    tables_among(&nearby(path)?, path, ending)
}

/// What lies in a folder and one level below.
fn nearby(folder: &Path) -> Result<Vec<PathBuf>> {
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
fn tables_among(files: &[PathBuf], path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
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

fn has_extension(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}

fn is_compressed_tar(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        assert_eq!(Source::find("portraits").unwrap(), Source::Portraits);
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("hub/data")).unwrap();
        std::fs::create_dir(path("photos")).unwrap();
        std::fs::write(path("hub/data/train-0.parquet"), b"PAR1").unwrap();
        std::fs::write(path("photos/a.png"), b"").unwrap();
        std::fs::write(path("notes.txt"), b"hello").unwrap();
        let find = |name: &str| Source::find(path(name).to_str().unwrap());
        assert_eq!(find("hub").unwrap(), Source::Parquet(path("hub")));
        assert_eq!(
            find("hub/data/train-0.parquet").unwrap(),
            Source::Parquet(path("hub/data/train-0.parquet"))
        );
        assert_eq!(find("photos").unwrap(), Source::Folder(path("photos")));
        assert_eq!(find("photos/a.png").unwrap(), Source::Image(path("photos/a.png")));
        assert!(matches!(find("notes.txt"), Err(Error::Format(_))));
        assert!(matches!(find("absent"), Err(Error::Unknown(_))));
        std::fs::create_dir(path("hub/other")).unwrap();
        std::fs::write(path("hub/other/train-0.parquet"), b"PAR1").unwrap();
        assert!(matches!(find("hub"), Err(Error::Several { .. })));
    }

    #[test]
    fn splits_are_read_off_the_beginning_of_names() {
        assert_eq!(Split::of_name("train-00000-of-00003.parquet"), Some(Split::Train));
        assert_eq!(Split::of_name("valid"), Some(Split::Validation));
        assert_eq!(Split::of_name("trainers.parquet"), None);
    }
}
