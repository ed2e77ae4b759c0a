use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use self::columns::{Column, Columns, beside, bytes_of_image, check_group};
use self::labels::Labels;
use crate::readable::{readable, readable_bytes};
use crate::record::{Content, Record};
use crate::{Error, Result};

mod columns;
mod labels;

/// One parquet file with a column of images, `image` or `img`, a `struct<bytes, path>` or plain bytes, and perhaps a column of
/// classes: the layout of the Hugging Face hub.
pub(crate) struct Table {
    path: PathBuf,
    reader: Arc<SerializedFileReader<File>>,
    columns: Columns,
    rows: u64,
    labels: Arc<Labels>,
    /// What is not read.
    pub(crate) notes: Vec<String>,
}

/// Rows decoded at once from a row group, at most.
const ROWS: u64 = 16;
/// Bytes of images, unpacked, that are decoded at once: 64 MiB, or one image.
const BYTES: u64 = 1 << 26;

impl Table {
    /// Reads the file's footer and its labels, finds the columns and checks that they lie within the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let file_length = file.metadata().map_err(Error::io("open", path))?.len();
        let reader = guarded(path, None, || SerializedFileReader::new(file))?;
        let metadata = reader.metadata().clone();
        let error = |row, reason: String| Error::damaged(path, row, reason);
        let found = Columns::find(metadata.file_metadata());
        let (columns, mut notes) = found.map_err(|reason| error(None, reason))?;
        let mut rows = 0;
        for group in metadata.row_groups() {
            rows += check_group(group, columns, file_length).map_err(|reason| error(Some(rows), reason))?;
        }
        let read =
            columns.label.map(|label| guarded(path, None, || Labels::read(&reader, label))).transpose()?;
        let labels = read.unwrap_or_else(|| Ok(Labels::default())).unwrap_or_else(|note| {
            notes.push(note);
            Labels::default()
        });
        let (path, reader, labels) = (path.to_owned(), Arc::new(reader), Arc::new(labels));
        Ok(Table { path, reader, columns, rows, labels, notes })
    }

    /// Number of rows the footer announces.
    pub(crate) fn len(&self) -> u64 {
        self.rows
    }

    /// Names of the first classes, and whether their order says nothing.
    pub(crate) fn classes(&self) -> (&[String], bool) {
        (&self.labels.classes, self.labels.are_names)
    }

    /// The rows in order, one row group in memory at a time, their classes renumbered by `numbers` as far as that goes. Ends
    /// after the first error.
    pub(crate) fn records(&self, numbers: Vec<u32>) -> Rows {
        Rows {
            path: self.path.clone(),
            reader: self.reader.clone(),
            columns: self.columns,
            labels: self.labels.clone(),
            numbers,
            group: 0,
            left: 0,
            at_once: 1,
            open: None,
            row: 0,
            ready: Vec::new().into_iter(),
            ended: false,
        }
    }
}

/// Iterator over the rows of a [`Table`].
pub(crate) struct Rows {
    path: PathBuf,
    reader: Arc<SerializedFileReader<File>>,
    columns: Columns,
    labels: Arc<Labels>,
    /// The set's classes by those of the table.
    numbers: Vec<u32>,
    /// The next row group.
    group: usize,
    /// Rows of the open row group that are not read yet.
    left: usize,
    /// Rows of it that are read at once.
    at_once: usize,
    open: Option<(Column, Option<Column>)>,
    /// Number of the next row in this file.
    row: u64,
    ready: std::vec::IntoIter<Record>,
    ended: bool,
}

impl Iterator for Rows {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        while !self.ended {
            if let Some(record) = self.ready.next() {
                return Some(Ok(record));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Rows {
    /// Reads the next few rows; false after the last row group.
    fn advance(&mut self) -> Result<bool> {
        if self.left == 0 {
            return self.open_group();
        }
        let Some((bytes, paths)) = &mut self.open else { return Ok(false) };
        let wanted = self.left.min(self.at_once);
        let read =
            || Ok((bytes.bytes(wanted)?, paths.as_mut().map(|paths| paths.bytes(wanted)).transpose()?));
        let (cells, paths) = guarded(&self.path, Some(self.row), read)?;
        let paths = paths.unwrap_or_else(|| vec![None; wanted]);
        self.left -= wanted;
        let pairs = cells.into_iter().zip(paths);
        self.ready = pairs.map(|(cell, path)| self.record(cell, path)).collect::<Vec<_>>().into_iter();
        Ok(true)
    }

    fn open_group(&mut self) -> Result<bool> {
        if self.group == self.reader.num_row_groups() {
            return Ok(false);
        }
        let (reader, group, columns) = (&self.reader, self.group, self.columns);
        let (open, rows, of_image) = guarded(&self.path, Some(self.row), || {
            let group = reader.get_row_group(group)?;
            let column = |number| Column::open(group.as_ref(), number);
            let open = (column(columns.image)?, columns.path.map(column).transpose()?);
            Ok((open, group.metadata().num_rows(), bytes_of_image(group.metadata(), columns)))
        })?;
        self.open = Some(open);
        self.left = usize::try_from(rows).unwrap_or(0);
        self.at_once = (BYTES / of_image.max(1)).clamp(1, ROWS) as usize;
        self.group += 1;
        Ok(true)
    }

    fn record(&mut self, cell: Option<ByteArray>, path: Option<ByteArray>) -> Record {
        let file = self.path.file_name().map(readable).unwrap_or_default();
        let name = format!("{file} row {}", self.row);
        let label =
            usize::try_from(self.row).ok().and_then(|row| self.labels.of_rows.get(row).copied().flatten());
        let label = label.map(|label| self.numbers.get(label as usize).copied().unwrap_or(label));
        self.row += 1;
        let content = match (cell, path) {
            (Some(cell), _) if !cell.is_empty() => Content::Cell(cell),
            (_, Some(path)) if !path.is_empty() => {
                let path = readable_bytes(path.data());
                beside(&self.path, &path).map_or(Content::Elsewhere(path), Content::File)
            }
            _ => Content::Null,
        };
        Record { name, label, content }
    }
}

/// Runs the parquet reader, which may still panic on hostile files, and turns whatever fails into an error that
/// names the file and the row.
fn guarded<T>(path: &Path, row: Option<u64>, run: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    let reason = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the parquet reader panicked".to_owned(),
    };
    Err(Error::damaged(path, row, format!("damaged or not parquet ({reason})")))
}
