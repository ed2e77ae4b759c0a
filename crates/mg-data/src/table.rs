use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use self::columns::{Column, Columns, beside, check_group};
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

    /// The rows in order, one page of a row group in memory at a time, their classes renumbered by `numbers` as far as that goes. Ends
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
            open: None,
            row: 0,
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
    open: Option<(Column, Option<Column>)>,
    /// Number of the next row in this file.
    row: u64,
    ended: bool,
}

impl Iterator for Rows {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        while !self.ended {
            let read = match self.left {
                0 => self.open_group().map(|()| None),
                _ => self.read_row().map(Some),
            };
            match read {
                Ok(None) => {}
                Ok(record) => return record.map(Ok),
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
    /// Reads the next row of the open group. One at a time: nothing that a file says bounds how large the next few are.
    fn read_row(&mut self) -> Result<Record> {
        let Some((bytes, paths)) = &mut self.open else {
            return Err(Error::damaged(&self.path, Some(self.row), "no row group is open"));
        };
        let read = || Ok((bytes.bytes(1)?, paths.as_mut().map(|paths| paths.bytes(1)).transpose()?));
        let (cells, paths) = guarded(&self.path, Some(self.row), read)?;
        self.left -= 1;
        let only = |cells: Vec<Option<ByteArray>>| cells.into_iter().next().flatten();
        Ok(self.record(only(cells), paths.and_then(only)))
    }

    /// Opens the next row group; there is an end to them.
    fn open_group(&mut self) -> Result<()> {
        if self.group == self.reader.num_row_groups() {
            self.ended = true;
            return Ok(());
        }
        let (reader, group, columns) = (&self.reader, self.group, self.columns);
        let (open, rows) = guarded(&self.path, Some(self.row), || {
            let group = reader.get_row_group(group)?;
            let column = |number| Column::open(group.as_ref(), number);
            let open = (column(columns.image)?, columns.path.map(column).transpose()?);
            Ok((open, group.metadata().num_rows()))
        })?;
        self.open = Some(open);
        self.left = usize::try_from(rows).unwrap_or(0);
        self.group += 1;
        Ok(())
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
