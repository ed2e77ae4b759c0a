use std::path::{Path, PathBuf};

use crate::Result;
use crate::archive::Archive;
use crate::cifar::{self, Cifar};
use crate::folder::{Folder, split_folder};
use crate::listing::{MATLAB, PARQUET, tables};
use crate::lmdb::Lmdb;
use crate::mat::Mat;
use crate::portraits::Portraits;
use crate::record::Record;
use crate::split::{Split, no_split};
use crate::table::Table;

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
    /// The images of a folder, or of its sub-folder for a split. Without a wish it is `train`, where the folder consists of
    /// splits.
    pub(crate) fn of_folder(path: &Path, wish: Option<Split>) -> Result<Self> {
        let split = wish.unwrap_or(Split::Train);
        match (split_folder(path, split), wish) {
            (Some(folder), _) => Ok(Input::Folder(Folder::open(&folder)?, Some(split))),
            (None, None) => Ok(Input::Folder(Folder::open(path)?, None)),
            (None, wish) => {
                let found = "no such folder, or other folders beside the splits";
                Err(no_split(&path.display().to_string(), wish, found))
            }
        }
    }

    /// One image file.
    pub(crate) fn of_image(path: &Path) -> Self {
        Input::Folder(Folder::of_one(path), None)
    }

    /// A parquet file, or those of a folder.
    pub(crate) fn of_tables(path: &Path, wish: Option<Split>) -> Result<Self> {
        let (files, split) = file_split(path, PARQUET, wish)?;
        let tables = files.iter().map(|file| Table::open(file)).collect::<Result<_>>()?;
        Ok(Input::Tables(tables, files, split))
    }

    /// A MATLAB file, or those of a folder.
    pub(crate) fn of_matrices(path: &Path, wish: Option<Split>) -> Result<Self> {
        let (files, split) = file_split(path, MATLAB, wish)?;
        let matrices = files.iter().map(|file| Mat::open(file)).collect::<Result<_>>()?;
        Ok(Input::Matrices(matrices, split))
    }

    /// CIFAR's batches in a folder; those of `train` without a wish.
    pub(crate) fn of_cifar(path: &Path, wish: Option<Split>) -> Result<Self> {
        let split = wish.unwrap_or(Split::Train);
        let (binary, files) = cifar::batches(path).unwrap_or_default();
        let files: Vec<_> = files.into_iter().filter(|file| file.0 == split).map(|file| file.1).collect();
        if files.is_empty() {
            let found = "batches of other splits";
            return Err(no_split(&path.display().to_string(), Some(split), found));
        }
        Ok(Input::Cifar(Cifar::open(path, binary, files)?, split))
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

    /// The files that are read, in their order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            Input::Portraits(_) => Vec::new(),
            Input::Folder(folder, _) => folder.paths().collect(),
            Input::Tables(_, files, _) => files.clone(),
            Input::Matrices(matrices, _) => matrices.iter().map(|matrix| matrix.path().to_owned()).collect(),
            Input::Archive(archive) => vec![archive.path().to_owned()],
            Input::Lmdb(lmdb) => vec![lmdb.path().to_owned()],
            Input::Cifar(cifar, _) => cifar.paths().to_vec(),
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
