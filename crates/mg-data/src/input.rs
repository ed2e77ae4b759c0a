use std::path::{Path, PathBuf};

use crate::archive::{Archive, archives_in};
use crate::cifar::{self, Cifar};
use crate::folder::Folder;
use crate::idx::Idx;
use crate::listing::{MATLAB, PARQUET, SplitFiles, split_files};
use crate::lmdb::Lmdb;
use crate::mat::Mat;
use crate::numpy::Numpy;
use crate::portraits::Portraits;
use crate::readable::readable;
use crate::record::Record;
use crate::split::{Split, no_split};
use crate::tables::Tables;
use crate::{Error, Result};

/// The encoded images behind a source: what is decoded, in which order.
pub(crate) enum Input {
    Portraits(Portraits),
    Folder(Folder),
    Tables(Tables),
    Matrices(Vec<Mat>, SplitFiles),
    Archive(Archive),
    Lmdb(Lmdb),
    Idx(Idx),
    Numpy(Numpy),
    Cifar(Cifar, Split),
}

impl Input {
    /// The images of a folder, or of a split of it. Without a wish it is `train`, where the folder consists of splits.
    pub(crate) fn of_folder(path: &Path, wish: Option<Split>) -> Result<Self> {
        match Folder::open(path, wish) {
            Err(Error::NoImages(_)) => Ok(Input::Archive(Archive::of_folder(path, wish)?)),
            Err(error) => Err(error),
            Ok(mut folder) => {
                let archives = archives_in(path)?;
                if let Some(first) = archives.first() {
                    let first = readable(first.file_name().unwrap_or_default());
                    let count = archives.len();
                    folder
                        .tree
                        .notes
                        .push(format!("archives beside images are not read: {count}, {first} first"));
                }
                Ok(Input::Folder(folder))
            }
        }
    }

    /// One image file.
    pub(crate) fn of_image(path: &Path) -> Self {
        Input::Folder(Folder::of_one(path))
    }

    /// A parquet file, or those of a folder.
    pub(crate) fn of_tables(path: &Path, wish: Option<Split>) -> Result<Self> {
        Ok(Input::Tables(Tables::open(split_files(path, PARQUET, wish)?)?))
    }

    /// A MATLAB file, or those of a folder.
    pub(crate) fn of_matrices(path: &Path, wish: Option<Split>) -> Result<Self> {
        let found = split_files(path, MATLAB, wish)?;
        let matrices = found.files.iter().map(|file| Mat::open(file)).collect::<Result<_>>()?;
        Ok(Input::Matrices(matrices, found))
    }

    /// CIFAR's batches in a folder; those of `train` without a wish.
    pub(crate) fn of_cifar(path: &Path, wish: Option<Split>) -> Result<Self> {
        let split = wish.unwrap_or(Split::Train);
        let (form, files) = cifar::batches(path).unwrap_or_default();
        let files: Vec<_> = files.into_iter().filter(|file| file.0 == split).map(|file| file.1).collect();
        if files.is_empty() {
            let found = "batches of other splits";
            return Err(no_split(&path.display().to_string(), Some(split), found));
        }
        Ok(Input::Cifar(Cifar::open(path, form, files)?, split))
    }

    /// Number of images, good or bad.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Input::Portraits(portraits) => portraits.len(),
            Input::Folder(folder) => folder.len(),
            Input::Tables(tables) => tables.len(),
            Input::Matrices(matrices, _) => matrices.iter().map(Mat::len).sum(),
            Input::Archive(archive) => archive.len(),
            Input::Lmdb(lmdb) => lmdb.len(),
            Input::Idx(idx) => idx.len(),
            Input::Numpy(numpy) => numpy.len(),
            Input::Cifar(cifar, _) => cifar.len(),
        }
    }

    /// The part of the source that is read, where it has parts.
    pub(crate) fn split(&self) -> Option<Split> {
        match self {
            Input::Portraits(_) | Input::Lmdb(_) => None,
            Input::Tables(tables) => tables.split(),
            Input::Matrices(_, found) => found.split,
            Input::Folder(folder) => folder.tree.split,
            Input::Archive(archive) => archive.tree.split,
            Input::Idx(idx) => idx.split,
            Input::Numpy(numpy) => numpy.split,
            Input::Cifar(_, split) => Some(*split),
        }
    }

    /// Names of the classes, where the source names them.
    pub(crate) fn classes(&self) -> Vec<String> {
        match self {
            Input::Portraits(_) => Portraits::CLASSES.map(|(name, _)| name.to_owned()).into(),
            Input::Folder(folder) => folder.tree.classes.clone(),
            Input::Tables(tables) => tables.classes.clone(),
            Input::Archive(archive) => archive.tree.classes.clone(),
            Input::Cifar(cifar, _) => cifar.classes.clone(),
            Input::Matrices(..) | Input::Lmdb(_) | Input::Idx(_) | Input::Numpy(_) => Vec::new(),
        }
    }

    /// What is left out of the source, or not understood.
    pub(crate) fn notes(&self) -> &[String] {
        match self {
            Input::Folder(folder) => &folder.tree.notes,
            Input::Archive(archive) => &archive.tree.notes,
            Input::Tables(tables) => &tables.notes,
            Input::Matrices(_, found) => &found.notes,
            Input::Numpy(numpy) => &numpy.notes,
            Input::Portraits(_) | Input::Lmdb(_) | Input::Idx(_) | Input::Cifar(..) => &[],
        }
    }

    /// Every image in order.
    pub(crate) fn records(&self) -> Box<dyn Iterator<Item = Result<Record>> + '_> {
        match self {
            Input::Portraits(portraits) => Box::new(portraits.records().map(Ok)),
            Input::Folder(folder) => Box::new(folder.records()),
            Input::Tables(tables) => Box::new(tables.records()),
            Input::Matrices(matrices, _) => Box::new(matrices.iter().flat_map(Mat::records)),
            Input::Archive(archive) => Box::new(archive.records()),
            Input::Lmdb(lmdb) => Box::new(lmdb.records()),
            Input::Idx(idx) => Box::new(idx.records()),
            Input::Numpy(numpy) => Box::new(numpy.records()),
            Input::Cifar(cifar, _) => Box::new(cifar.records()),
        }
    }

    /// The files that are read, in their order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            Input::Portraits(_) => Vec::new(),
            Input::Folder(folder) => folder.paths().collect(),
            Input::Tables(tables) => tables.files().to_vec(),
            Input::Matrices(_, found) => found.files.clone(),
            Input::Archive(archive) => vec![archive.path().to_owned()],
            Input::Lmdb(lmdb) => vec![lmdb.path().to_owned()],
            Input::Idx(idx) => vec![idx.path().to_owned()],
            Input::Numpy(numpy) => vec![numpy.path().to_owned()],
            Input::Cifar(cifar, _) => cifar.paths().to_vec(),
        }
    }
}
