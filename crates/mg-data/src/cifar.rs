//! CIFAR's own files: images of 32 x 32 pixels, as bytes ("binary version") or as pickled Python objects ("python version");
//! CIFAR-10 in batches of 10,000, CIFAR-100 in one file for each split, with two labels an image of which the fine one is read.
//! Format: Krizhevsky, "The CIFAR-10 dataset".

use std::path::{Path, PathBuf};

use crate::limits::{MAX_FILE, MAX_LABEL};
use crate::pickle;
use crate::record::{Content, Record, interleaved, read};
use crate::split::Split;
use crate::{Error, Result};

const SIDE: usize = 32;
const IMAGE: usize = 3 * SIDE * SIDE;

/// What the files of a folder are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    is_binary: bool,
    /// CIFAR-100, not CIFAR-10.
    is_hundred: bool,
}

impl Form {
    /// Bytes of a row of the binary version: its labels, of which the last is read, and an image.
    fn row(self) -> usize {
        1 + usize::from(self.is_hundred) + IMAGE
    }
}

/// The batches of a folder that belong to a split, in the order of their names.
pub(crate) struct Cifar {
    files: Vec<PathBuf>,
    form: Form,
    len: u64,
    pub(crate) classes: Vec<String>,
}

/// One batch in memory: 31 megabytes as published.
struct Batch {
    /// Images, each [3, 32, 32].
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

/// The batches in a folder, if it holds some: their form, and their files by split.
pub(crate) fn batches(folder: &Path) -> Option<(Form, Vec<(Split, PathBuf)>)> {
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let of_ten = |name: &str| match name {
        "test_batch" => Some(Split::Test),
        _ => name.strip_prefix("data_batch_").and_then(|n| n.parse::<u32>().ok()).map(|_| Split::Train),
    };
    let of_hundred = |name: &str| match name {
        "train" => Some(Split::Train),
        "test" => Some(Split::Test),
        _ => None,
    };
    let has = |name: &str| folder.join(name).is_file();
    let files = |ending: &str, split: &dyn Fn(&str) -> Option<Split>| -> Vec<(Split, PathBuf)> {
        let path = |name: &String| Some((split(name.strip_suffix(ending)?)?, folder.join(name)));
        names.iter().filter_map(path).filter(|(_, path)| path.is_file()).collect()
    };
    let form = |is_binary, is_hundred| Form { is_binary, is_hundred };
    // Files called train and test are CIFAR-100's only beside what names its classes.
    let found = [
        (form(true, false), files(".bin", &of_ten)),
        (form(false, false), files("", &of_ten)),
        (form(true, true), if has(FINE_NAMES) { files(".bin", &of_hundred) } else { vec![] }),
        (form(false, true), if has("meta") { files("", &of_hundred) } else { vec![] }),
    ];
    found.into_iter().find(|(_, files)| !files.is_empty())
}

/// Names of CIFAR-100's classes beside its binary version.
const FINE_NAMES: &str = "fine_label_names.txt";

impl Cifar {
    /// Opens the batches of a split; those of the python version are read to count them.
    pub(crate) fn open(folder: &Path, form: Form, files: Vec<PathBuf>) -> Result<Self> {
        let mut len = 0;
        for file in &files {
            len += match form.is_binary {
                true => rows_of(file, form)?,
                false => Batch::python(file)?.labels.len() as u64,
            };
        }
        Ok(Cifar { classes: classes(folder, form), files, form, len })
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
            let batch = match self.form.is_binary {
                true => Batch::binary(file, self.form),
                false => Batch::python(file),
            };
            let (records, error) = match batch {
                Ok(batch) => (batch.records(file), None),
                Err(error) => (vec![], Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        })
    }
}

impl Batch {
    fn binary(path: &Path, form: Form) -> Result<Self> {
        let rows = rows_of(path, form)?;
        let bytes = read(path).map_err(|defect| Error::damaged(path, None, defect))?;
        let (mut pixels, mut labels) = (Vec::with_capacity(rows as usize * IMAGE), Vec::new());
        for row in bytes.chunks_exact(form.row()) {
            let (of_image, image) = row.split_at(row.len() - IMAGE);
            labels.extend(of_image.last().map(|label| u32::from(*label)));
            pixels.extend_from_slice(image);
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
fn rows_of(path: &Path, form: Form) -> Result<u64> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    let bytes = if metadata.is_file() { metadata.len() } else { 0 };
    let row = form.row() as u64;
    if bytes == 0 || !bytes.is_multiple_of(row) || bytes > MAX_FILE {
        let reason = format!("{bytes} bytes, which are no rows of {row}");
        return Err(Error::damaged(path, None, reason));
    }
    Ok(bytes / row)
}

/// Names of the classes, where the folder has them.
fn classes(folder: &Path, form: Form) -> Vec<String> {
    if form.is_binary {
        let file = if form.is_hundred { FINE_NAMES } else { "batches.meta.txt" };
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        return text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    }
    let (file, key) =
        if form.is_hundred { ("meta", "fine_label_names") } else { ("batches.meta", "label_names") };
    let Ok(bytes) = read(&folder.join(file)) else { return vec![] };
    let Ok(meta) = pickle::parse(&bytes) else { return vec![] };
    let names = meta.get(key).and_then(|names| meta.list(names));
    names.into_iter().flatten().filter_map(|name| name.text().map(str::to_owned)).collect()
}
