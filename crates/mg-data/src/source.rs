use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, ZIP, is_archive};
use crate::cifar;
use crate::folder::is_image;
use crate::idx::{Idx, is_idx};
use crate::input::Input;
use crate::listing::{MATLAB, PARQUET, has_extension, nearby, tables_among};
use crate::lmdb::{self, Lmdb};
use crate::numpy::{Numpy, is_numpy};
use crate::portraits::Portraits;
use crate::split::{Split, no_split};
use crate::{Error, Result};

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// The embedded set `portraits`.
    Portraits,
    /// A folder of png, jpeg and webp images, with everything below it; without images, of an archive, or of one for each split.
    Folder(PathBuf),
    /// One png, jpeg or webp image: a set of one.
    Image(PathBuf),
    /// A parquet file, or a folder with such files in it, one level below it, or both, as on the Hugging Face hub.
    Parquet(PathBuf),
    /// A tar archive of such images, plain or compressed by gzip, or a zip archive.
    Archive(PathBuf),
    /// An LMDB environment, as LSUN's: its folder, or the file in it.
    Lmdb(PathBuf),
    /// A MATLAB file with `X` and `y`, as SVHN's cropped digits, or a folder of them.
    Matlab(PathBuf),
    /// An IDX file of images, as MNIST's, with the labels beside it, or a folder of them.
    Idx(PathBuf),
    /// A file of numpy's arrays: of images, and of labels perhaps.
    Numpy(PathBuf),
    /// A folder of CIFAR's batches, binary or Python.
    Cifar(PathBuf),
    /// A file made by [`pack`](crate::pack).
    Packed(PathBuf),
}

impl ImageSource {
    /// Finds out what a name or a path means: the name `portraits`, else whatever lies at the path.
    ///
    /// A folder counts as the first of these that it holds: an LMDB environment, CIFAR's batches, IDX files, parquet files,
    /// MATLAB files; any other is [`ImageSource::Folder`]. To mean a folder of the name `portraits`, write `./portraits`.
    ///
    /// # Errors
    /// When nothing is there, or a file of a format that is not read.
    pub fn find(name: &str) -> Result<Self> {
        if name == "portraits" {
            return Ok(ImageSource::Portraits);
        }
        let path = PathBuf::from(name);
        let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Unknown(name.to_owned()),
            _ => Error::Io { doing: "open", path: path.clone(), source: error },
        })?;
        match (metadata.is_dir(), metadata.is_file()) {
            (true, _) => Self::of_folder(path),
            (_, true) => Self::of_file(path),
            _ => Err(Error::Format(path)), // a pipe would be waited for
        }
    }

    fn of_folder(path: PathBuf) -> Result<Self> {
        Ok(if path.join(lmdb::DATA).is_file() {
            ImageSource::Lmdb(path)
        } else if cifar::batches(&path).is_some() {
            ImageSource::Cifar(path)
        } else {
            let files = nearby(&path)?;
            if files.iter().any(|file| is_idx(file) && file.parent() == Some(&path)) {
                ImageSource::Idx(path)
            } else if !tables_among(&files, &path, PARQUET)?.is_empty() {
                ImageSource::Parquet(path)
            } else if !tables_among(&files, &path, MATLAB)?.is_empty() {
                ImageSource::Matlab(path)
            } else {
                ImageSource::Folder(path)
            }
        })
    }

    fn of_file(path: PathBuf) -> Result<Self> {
        let mut start = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(START).read_to_end(&mut start));
        read.map_err(Error::io("read", &path))?;
        let is_lmdb =
            path.file_name().is_some_and(|name| name == lmdb::DATA) || lmdb::begins_like_one(&start);
        if start.starts_with(&crate::packed::MAGIC) {
            Ok(ImageSource::Packed(path))
        } else if start.starts_with(b"PAR1") || has_extension(&path, PARQUET) {
            Ok(ImageSource::Parquet(path))
        } else if start.starts_with(crate::mat::MAGIC) || has_extension(&path, MATLAB) {
            Ok(ImageSource::Matlab(path))
        } else if is_lmdb {
            Ok(ImageSource::Lmdb(path))
        } else if is_numpy(&path) {
            Ok(ImageSource::Numpy(path))
        } else if is_idx(&path) {
            Ok(ImageSource::Idx(path))
        } else if is_image(&path) {
            Ok(ImageSource::Image(path))
        } else if start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1))
            || ZIP.iter().any(|zip| start.starts_with(zip))
            || is_archive(&path)
        {
            Ok(ImageSource::Archive(path))
        } else {
            Err(Error::Format(path))
        }
    }

    /// The file or folder, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ImageSource::Portraits => None,
            ImageSource::Folder(path)
            | ImageSource::Image(path)
            | ImageSource::Parquet(path)
            | ImageSource::Archive(path)
            | ImageSource::Lmdb(path)
            | ImageSource::Matlab(path)
            | ImageSource::Idx(path)
            | ImageSource::Numpy(path)
            | ImageSource::Cifar(path)
            | ImageSource::Packed(path) => Some(path),
        }
    }

    /// Lists what there is to decode, of a split where one is wished for; raises every error that can be seen without
    /// decoding an image.
    pub(crate) fn open(&self, split: Option<Split>) -> Result<Input> {
        match self {
            ImageSource::Portraits if split.is_none() => Ok(Input::Portraits(Portraits::open()?)),
            ImageSource::Folder(path) => Input::of_folder(path, split),
            ImageSource::Image(path) if split.is_none() => Ok(Input::of_image(path)),
            ImageSource::Parquet(path) => Input::of_tables(path, split),
            ImageSource::Matlab(path) => Input::of_matrices(path, split),
            ImageSource::Archive(path) => Ok(Input::Archive(Archive::open(path, split)?)),
            ImageSource::Lmdb(path) if split.is_none() => Ok(Input::Lmdb(Lmdb::open(path)?)),
            ImageSource::Idx(path) => Ok(Input::Idx(Idx::open(path, split)?)),
            ImageSource::Numpy(path) => Ok(Input::Numpy(Numpy::open(path, split)?)),
            ImageSource::Cifar(path) => Input::of_cifar(path, split),
            ImageSource::Packed(_) => Err(Error::Setting(format!("{self} is packed already"))),
            ImageSource::Portraits | ImageSource::Image(_) | ImageSource::Lmdb(_) => {
                Err(no_split(&self.to_string(), split, "one whole set"))
            }
        }
    }

    /// A short name for reports and cache files: that of the file or folder, without its extension.
    pub fn name(&self) -> String {
        let Some(path) = self.path() else { return "portraits".to_owned() };
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        full.file_stem().map_or_else(|| "images".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            None => f.write_str("portraits"),
            Some(path) => path.display().fmt(f),
        }
    }
}

/// What a tar archive holds, and where.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Bytes of a file that its format is told by.
const START: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        assert_eq!(ImageSource::find("portraits").unwrap(), ImageSource::Portraits);
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("hub/data")).unwrap();
        std::fs::create_dir(path("photos")).unwrap();
        std::fs::write(path("hub/data/train-0.parquet"), b"PAR1").unwrap();
        std::fs::write(path("photos/a.png"), b"").unwrap();
        std::fs::write(path("notes.txt"), b"hello").unwrap();
        let find = |name: &str| ImageSource::find(path(name).to_str().unwrap());
        assert_eq!(find("hub").unwrap(), ImageSource::Parquet(path("hub")));
        assert_eq!(
            find("hub/data/train-0.parquet").unwrap(),
            ImageSource::Parquet(path("hub/data/train-0.parquet"))
        );
        assert_eq!(find("photos").unwrap(), ImageSource::Folder(path("photos")));
        assert_eq!(find("photos/a.png").unwrap(), ImageSource::Image(path("photos/a.png")));
        assert!(matches!(find("notes.txt"), Err(Error::Format(_))));
        assert!(matches!(find("absent"), Err(Error::Unknown(_))));
        std::fs::create_dir(path("hub/other")).unwrap();
        std::fs::write(path("hub/other/train-0.parquet"), b"PAR1").unwrap();
        assert!(matches!(find("hub"), Err(Error::Several { .. })));
    }
}
