//! CIFAR's own files: batches of 10,000 images of 32 x 32 pixels, as bytes ("binary version") or as pickled Python objects
//! ("python version"). Format: Krizhevsky, "The CIFAR-10 dataset".

use std::path::{Path, PathBuf};

use crate::limits::{MAX_FILE, MAX_LABEL};
use crate::pickle;
use crate::record::{Content, Record, interleaved, read};
use crate::split::Split;
use crate::{Error, Result};

const SIDE: usize = 32;
const IMAGE: usize = 3 * SIDE * SIDE;
/// A row of the binary version: a label and an image.
const ROW: usize = 1 + IMAGE;

/// The batches of a folder that belong to a split, in the order of their names.
pub(crate) struct Cifar {
    files: Vec<PathBuf>,
    binary: bool,
    len: u64,
    pub(crate) classes: Vec<String>,
}

/// One batch in memory: 31 megabytes as published.
struct Batch {
    /// Images, each [3, 32, 32].
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

/// The batches in a folder, if it holds some: whether they are of the binary version, and their files by split.
pub(crate) fn batches(folder: &Path) -> Option<(bool, Vec<(Split, PathBuf)>)> {
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let split = |name: &str| match name {
        "test_batch" => Some(Split::Test),
        _ => name.strip_prefix("data_batch_").and_then(|n| n.parse::<u32>().ok()).map(|_| Split::Train),
    };
    let of = |ending: &str| -> Vec<(Split, PathBuf)> {
        let found =
            names.iter().filter_map(|name| Some((split(name.strip_suffix(ending)?)?, folder.join(name))));
        found.collect()
    };
    let (binary, python) = (of(".bin"), of(""));
    match (binary.is_empty(), python.is_empty()) {
        (false, _) => Some((true, binary)),
        (true, false) => Some((false, python)),
        _ => None,
    }
}

impl Cifar {
    /// Opens the batches of a split; those of the python version are read to count them.
    pub(crate) fn open(folder: &Path, binary: bool, files: Vec<PathBuf>) -> Result<Self> {
        let mut len = 0;
        for file in &files {
            len += match binary {
                true => rows_of(file)?,
                false => Batch::python(file)?.labels.len() as u64,
            };
        }
        Ok(Cifar { classes: classes(folder, binary), files, binary, len })
    }

    /// The files.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.files
    }

    /// Number of images.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Images in order; one batch is in memory at a time.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        self.files.iter().flat_map(|file| {
            let batch = if self.binary { Batch::binary(file) } else { Batch::python(file) };
            let (records, error) = match batch {
                Ok(batch) => (batch.records(file), None),
                Err(error) => (vec![], Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        })
    }
}

impl Batch {
    fn binary(path: &Path) -> Result<Self> {
        let rows = rows_of(path)?;
        let bytes = read(path).map_err(|defect| Error::damaged(path, None, defect))?;
        let (mut pixels, mut labels) = (Vec::with_capacity(rows as usize * IMAGE), Vec::new());
        for row in bytes.chunks_exact(ROW) {
            labels.push(u32::from(row[0]));
            pixels.extend_from_slice(&row[1..]);
        }
        Ok(Batch { pixels, labels })
    }

    /// A dictionary with an array `data`, [n, 3072], and a list `labels` (CIFAR-100: `fine_labels`).
    fn python(path: &Path) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, None, reason);
        let bytes = read(path).map_err(|defect| damaged(defect.to_string()))?;
        let batch = pickle::parse(&bytes).map_err(damaged)?;
        let labels = batch.get("labels").or_else(|| batch.get("fine_labels"));
        let labels = labels.and_then(|labels| batch.list(labels));
        let labels = labels.ok_or_else(|| damaged("it has no list `labels`".into()))?;
        let pixels = batch.get("data").and_then(|data| batch.array_bytes(data));
        let pixels = pixels.ok_or_else(|| damaged("it has no array `data` of bytes".into()))?;
        if pixels.len() != labels.len() * IMAGE {
            let (bytes, images) = (pixels.len(), labels.len());
            return Err(damaged(format!(
                "{bytes} bytes of pixels for {images} labels; an image has {IMAGE}"
            )));
        }
        let label = |(row, value): (usize, &pickle::Value<'_>)| match value.integer() {
            Some(label @ 0..=MAX_LABEL) => Ok(label as u32),
            _ => Err(damaged(format!("the label of image {row} is no class number"))),
        };
        Ok(Batch {
            pixels: pixels.to_vec(),
            labels: labels.iter().enumerate().map(label).collect::<Result<_>>()?,
        })
    }

    fn records(self, path: &Path) -> Vec<Record> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let record = |(row, (label, planes)): (usize, (&u32, &[u8]))| {
            let image = interleaved(planes, (SIDE as u32, SIDE as u32), |x, y| y * SIDE + x);
            Record {
                name: format!("{file} image {row}"),
                label: Some(*label),
                content: Content::Pixels(image),
            }
        };
        self.labels.iter().zip(self.pixels.chunks_exact(IMAGE)).enumerate().map(record).collect()
    }
}

/// Rows of a file of the binary version.
fn rows_of(path: &Path) -> Result<u64> {
    let bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if bytes == 0 || !bytes.is_multiple_of(ROW as u64) || bytes > MAX_FILE {
        let reason = format!("{bytes} bytes, which are no rows of {ROW}");
        return Err(Error::damaged(path, None, reason));
    }
    Ok(bytes / ROW as u64)
}

/// Names of the classes, where the folder has them.
fn classes(folder: &Path, binary: bool) -> Vec<String> {
    if binary {
        let text = std::fs::read_to_string(folder.join("batches.meta.txt")).unwrap_or_default();
        return text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    }
    let Ok(bytes) = read(&folder.join("batches.meta")) else { return vec![] };
    let Ok(meta) = pickle::parse(&bytes) else { return vec![] };
    let names = meta.get("label_names").and_then(|names| meta.list(names));
    names.into_iter().flatten().filter_map(|name| name.text().map(str::to_owned)).collect()
}
