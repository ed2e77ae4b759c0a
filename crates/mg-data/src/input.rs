use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::cifar::{self, Cifar};
use crate::folder::{Folder, split_folder};
use crate::lmdb::Lmdb;
use crate::mat::Mat;
use crate::packed::hex;
use crate::portraits::Portraits;
use crate::record::Record;
use crate::source::{MATLAB, PARQUET, tables};
use crate::table::Table;
use crate::{Error, Result, Source, Spec, Split};

/// The encoded images behind a source: what is decoded, in which order.
pub(crate) enum Input {
    Portraits(Portraits),
    Folder(Folder, Option<Split>),
    Tables(Vec<Table>, Vec<PathBuf>, Option<Split>),
    Matrices(Vec<Mat>, Option<Split>),
    Archive(Archive),
    Lmdb(Lmdb),
    Cifar(Cifar, Split),
}

impl Input {
    /// Lists what there is to decode; raises every error that can be seen without decoding an image.
    pub(crate) fn open(spec: &Spec) -> Result<Self> {
        match &spec.source {
            Source::Portraits if spec.split.is_none() => Ok(Input::Portraits(Portraits::open()?)),
            Source::Folder(path) => {
                let (path, split) = folder_split(path, spec.split)?;
                Ok(Input::Folder(Folder::open(&path)?, split))
            }
            Source::Image(path) if spec.split.is_none() => Ok(Input::Folder(Folder::of_one(path), None)),
            Source::Parquet(path) => {
                let (files, split) = file_split(path, PARQUET, spec.split)?;
                let tables = files.iter().map(|file| Table::open(file)).collect::<Result<_>>()?;
                Ok(Input::Tables(tables, files, split))
            }
            Source::Matlab(path) => {
                let (files, split) = file_split(path, MATLAB, spec.split)?;
                let matrices = files.iter().map(|file| Mat::open(file)).collect::<Result<_>>()?;
                Ok(Input::Matrices(matrices, split))
            }
            Source::Archive(path) => Ok(Input::Archive(Archive::open(path, spec.split)?)),
            Source::Lmdb(path) if spec.split.is_none() => Ok(Input::Lmdb(Lmdb::open(path)?)),
            Source::Cifar(path) => {
                let split = spec.split.unwrap_or(Split::Train);
                let (binary, files) = cifar::batches(path).unwrap_or_default();
                let files: Vec<_> =
                    files.into_iter().filter(|file| file.0 == split).map(|file| file.1).collect();
                if files.is_empty() {
                    return Err(no_split(&spec.source.to_string(), Some(split), "batches of other splits"));
                }
                Ok(Input::Cifar(Cifar::open(path, binary, files)?, split))
            }
            Source::Packed(_) => Err(Error::Setting(format!("{} is packed already", spec.source))),
            Source::Portraits | Source::Image(_) | Source::Lmdb(_) => {
                Err(no_split(&spec.source.to_string(), spec.split, "one whole set"))
            }
        }
    }

    /// Number of images, good or bad.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Input::Portraits(portraits) => portraits.len(),
            Input::Folder(folder, _) => folder.len(),
            Input::Tables(tables, ..) => tables.iter().fold(0, |sum, table| sum.saturating_add(table.len())),
            Input::Matrices(matrices, _) => matrices.iter().map(Mat::len).sum(),
            Input::Archive(archive) => archive.len(),
            Input::Lmdb(lmdb) => lmdb.len(),
            Input::Cifar(cifar, _) => cifar.len(),
        }
    }

    /// The part of the source that is read, where it has parts.
    pub(crate) fn split(&self) -> Option<Split> {
        match self {
            Input::Portraits(_) | Input::Lmdb(_) => None,
            Input::Folder(_, split) | Input::Tables(.., split) | Input::Matrices(_, split) => *split,
            Input::Archive(archive) => archive.split,
            Input::Cifar(_, split) => Some(*split),
        }
    }

    /// Names of the classes, where the source names them.
    pub(crate) fn classes(&self) -> Vec<String> {
        match self {
            Input::Portraits(_) => Portraits::CLASSES.map(|(name, _)| name.to_owned()).into(),
            Input::Folder(folder, _) => folder.classes.clone(),
            Input::Tables(tables, ..) => tables.first().map_or(Vec::new(), |table| table.classes.clone()),
            Input::Archive(archive) => archive.classes.clone(),
            Input::Cifar(cifar, _) => cifar.classes.clone(),
            Input::Matrices(..) | Input::Lmdb(_) => Vec::new(),
        }
    }

    /// Every image in order.
    pub(crate) fn records(&self) -> Box<dyn Iterator<Item = Result<Record>> + '_> {
        match self {
            Input::Portraits(portraits) => Box::new(portraits.records().map(Ok)),
            Input::Folder(folder, _) => Box::new(folder.records()),
            Input::Tables(tables, ..) => Box::new(tables.iter().flat_map(Table::records)),
            Input::Matrices(matrices, _) => Box::new(matrices.iter().flat_map(Mat::records)),
            Input::Archive(archive) => Box::new(archive.records()),
            Input::Lmdb(lmdb) => Box::new(lmdb.records()),
            Input::Cifar(cifar, _) => Box::new(cifar.records()),
        }
    }

    /// A name for the packed form: changes with every setting, and with the name, size or time of any file.
    pub(crate) fn key(&self, spec: &Spec) -> String {
        let mut hash = Sha256::new();
        let (side, resize, on_bad, split) = (spec.side, spec.resize, spec.on_bad, self.split());
        hash.update(format!("mg-data 1 {side} {resize} {on_bad:?} {split:?}\n"));
        if let Some(path) = spec.source.path() {
            hash.update(path.canonicalize().unwrap_or_default().as_os_str().as_encoded_bytes());
        }
        let mut add = |path: &Path| {
            let metadata = std::fs::metadata(path).ok();
            let modified = metadata.as_ref().and_then(|m| m.modified().ok());
            let age = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(format!("\n{:?} {:?}\n", metadata.map(|m| m.len()), age));
        };
        match self {
            Input::Portraits(_) => {}
            Input::Folder(folder, _) => folder.paths().for_each(|path| add(&path)),
            Input::Tables(_, files, _) => files.iter().for_each(|path| add(path)),
            Input::Matrices(matrices, _) => matrices.iter().for_each(|matrix| add(matrix.path())),
            Input::Archive(archive) => add(archive.path()),
            Input::Lmdb(lmdb) => add(lmdb.path()),
            Input::Cifar(cifar, _) => cifar.paths().iter().for_each(|path| add(path)),
        }
        hex(&hash.finalize())
    }
}

/// The sub-folder of a split. Without a wish it is `train`, where the folder consists of splits.
fn folder_split(path: &Path, wish: Option<Split>) -> Result<(PathBuf, Option<Split>)> {
    let split = wish.unwrap_or(Split::Train);
    match (split_folder(path, split), wish) {
        (Some(folder), _) => Ok((folder, Some(split))),
        (None, None) => Ok((path.to_owned(), None)),
        (None, wish) => {
            Err(no_split(&path.display().to_string(), wish, "no folder of that name among splits alone"))
        }
    }
}

/// The files of a split. Without a wish they are those of `train`, where file names begin with splits; a single
/// file is taken as it is.
fn file_split(path: &Path, ending: &str, wish: Option<Split>) -> Result<(Vec<PathBuf>, Option<Split>)> {
    let files = tables(path, ending)?;
    let split_of = |file: &Path| Split::of_name(&file.file_name().unwrap_or_default().to_string_lossy());
    let single = (!path.is_dir()).then(|| split_of(path)).flatten();
    let any = files.iter().any(|file| split_of(file).is_some());
    let Some(split) = wish.or(single).or(any.then_some(Split::Train)) else { return Ok((files, None)) };
    let chosen: Vec<_> = files.iter().filter(|file| split_of(file) == Some(split)).cloned().collect();
    if chosen.is_empty() {
        let names = files.iter().map(|file| file.file_name().unwrap_or_default().to_string_lossy());
        let found = names.collect::<Vec<_>>().join(", ");
        return Err(no_split(&path.display().to_string(), Some(split), &found));
    }
    Ok((chosen, Some(split)))
}

/// The error for a split that is not there.
pub(crate) fn no_split(source_name: &str, wish: Option<Split>, found: &str) -> Error {
    let split = wish.map_or_else(|| "whole".to_owned(), |split| split.to_string());
    Error::NoSplit { source_name: source_name.to_owned(), split, found: found.to_owned() }
}
