use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::limits::MAX_LABEL;
use crate::record::{Content, Record};
use crate::{Error, Result};

/// One parquet file with an image column `image` or `img`, a `struct<bytes, path>` or plain bytes, and perhaps an
/// integer column `label`: the layout of the Hugging Face hub.
pub(crate) struct Table {
    path: PathBuf,
    reader: Arc<SerializedFileReader<File>>,
    bytes: usize,
    label: Option<usize>,
    rows: u64,
    pub(crate) classes: Vec<String>,
}

/// Rows decoded at once from a row group.
const ROWS: usize = 16;
/// A row group that announces more rows is damaged.
const MAX_GROUP: u64 = 1 << 32;

impl Table {
    /// Reads the file's footer, finds the columns and checks that they lie within the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let file_length = file.metadata().map_err(Error::io("open", path))?.len();
        let reader = guarded(path, None, || SerializedFileReader::new(file))?;
        let metadata = reader.metadata().clone();
        let error = |row, reason: String| Error::damaged(path, row, reason);
        let (bytes, label) = columns(metadata.file_metadata()).map_err(|reason| error(None, reason))?;
        let mut rows = 0;
        for group in metadata.row_groups() {
            rows += check_group(group, [Some(bytes), label], file_length)
                .map_err(|reason| error(Some(rows), reason))?;
        }
        let classes = label.map(|_| class_names(metadata.file_metadata())).unwrap_or_default();
        Ok(Table { path: path.to_owned(), reader: Arc::new(reader), bytes, label, rows, classes })
    }

    /// Number of rows the footer announces.
    pub(crate) fn len(&self) -> u64 {
        self.rows
    }

    /// The rows in order, one row group in memory at a time. Ends after the first error.
    pub(crate) fn records(&self) -> Rows {
        Rows {
            path: self.path.clone(),
            reader: self.reader.clone(),
            columns: (self.bytes, self.label),
            group: 0,
            left: 0,
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
    columns: (usize, Option<usize>),
    /// The next row group.
    group: usize,
    /// Rows of the open row group that are not read yet.
    left: usize,
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
        let Some((bytes, labels)) = &mut self.open else { return Ok(false) };
        let wanted = self.left.min(ROWS);
        let read =
            || Ok((bytes.bytes(wanted)?, labels.as_mut().map(|labels| labels.integers(wanted)).transpose()?));
        let (cells, labels) = guarded(&self.path, Some(self.row), read)?;
        let labels = labels.unwrap_or_else(|| vec![None; wanted]);
        self.left -= wanted;
        let mut ready = Vec::with_capacity(wanted);
        for (cell, label) in cells.into_iter().zip(labels) {
            ready.push(self.record(cell, label)?);
        }
        self.ready = ready.into_iter();
        Ok(true)
    }

    fn open_group(&mut self) -> Result<bool> {
        if self.group == self.reader.num_row_groups() {
            return Ok(false);
        }
        let (reader, group, (bytes, label)) = (&self.reader, self.group, self.columns);
        let (open, rows) = guarded(&self.path, Some(self.row), || {
            let group = reader.get_row_group(group)?;
            let column = |i: usize| -> Result<Column, ParquetError> {
                let max_level = group.metadata().column(i).column_descr().max_def_level();
                Ok(Column { reader: group.get_column_reader(i)?, max_level })
            };
            Ok(((column(bytes)?, label.map(column).transpose()?), group.metadata().num_rows()))
        })?;
        self.open = Some(open);
        self.left = usize::try_from(rows).unwrap_or(0);
        self.group += 1;
        Ok(true)
    }

    fn record(&mut self, cell: Option<ByteArray>, label: Option<i64>) -> Result<Record> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{file} row {}", self.row);
        self.row += 1;
        let label = match label {
            // The hub's convention for an example without a label is -1.
            None | Some(-1) => None,
            Some(label @ 0..=MAX_LABEL) => Some(label as u32),
            Some(label) => return Err(Error::Label { name, label }),
        };
        Ok(Record { name, label, content: cell.map_or(Content::Null, Content::Cell) })
    }
}

/// A column together with the definition level of a value that is there.
struct Column {
    reader: ColumnReader,
    max_level: i16,
}

impl Column {
    fn bytes(&mut self, rows: usize) -> Result<Vec<Option<ByteArray>>, ParquetError> {
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => read(reader, self.max_level, rows),
            _ => Err(ParquetError::General("the image column holds no bytes".into())),
        }
    }

    fn integers(&mut self, rows: usize) -> Result<Vec<Option<i64>>, ParquetError> {
        match &mut self.reader {
            ColumnReader::Int64ColumnReader(reader) => read(reader, self.max_level, rows),
            ColumnReader::Int32ColumnReader(reader) => {
                let values = read(reader, self.max_level, rows)?;
                Ok(values.into_iter().map(|value| value.map(i64::from)).collect())
            }
            _ => Err(ParquetError::General("the label column holds no integers".into())),
        }
    }
}

/// The next `rows` values of a column that does not repeat; nulls are `None`.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    max_level: i16,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut levels, mut values, mut done) = (Vec::with_capacity(rows), Vec::with_capacity(rows), 0);
    while done < rows {
        let (records, ..) = reader.read_records(rows - done, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("the column ends {} rows early", rows - done)));
        }
        done += records;
    }
    let mut values = values.into_iter();
    if max_level == 0 {
        return Ok(values.map(Some).collect());
    }
    Ok(levels.into_iter().map(|level| if level == max_level { values.next() } else { None }).collect())
}

/// The numbers of the image column and of the label column.
fn columns(metadata: &FileMetaData) -> Result<(usize, Option<usize>), String> {
    let columns = metadata.schema_descr().columns();
    let find = |names: &[&str], types: &[Type]| {
        columns.iter().position(|column| {
            let name = column.path().string();
            names.contains(&&*name) && types.contains(&column.physical_type()) && column.max_rep_level() == 0
        })
    };
    let bytes =
        find(&["image.bytes", "img.bytes", "image", "img"], &[Type::BYTE_ARRAY]).ok_or_else(|| {
            let names: Vec<String> = columns.iter().map(|column| column.path().string()).collect();
            format!("no image column: looked for `image` or `img`, found {}", names.join(", "))
        })?;
    Ok((bytes, find(&["label"], &[Type::INT32, Type::INT64])))
}

/// Number of rows of a row group whose columns lie within the file.
fn check_group(
    group: &RowGroupMetaData,
    columns: [Option<usize>; 2],
    file_length: u64,
) -> Result<u64, String> {
    for column in columns.into_iter().flatten().map(|i| group.column(i)) {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let (start, length) = (u64::try_from(start), u64::try_from(column.compressed_size()));
        let end = start.ok().zip(length.ok()).and_then(|(start, length)| start.checked_add(length));
        if end.is_none_or(|end| end > file_length) {
            return Err(format!(
                "damaged or cut: a column of this row group is not within the {file_length} bytes"
            ));
        }
    }
    let rows = u64::try_from(group.num_rows()).ok().filter(|&rows| rows <= MAX_GROUP);
    rows.ok_or_else(|| format!("damaged: a row group of {} rows", group.num_rows()))
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

/// The names of the hub's `ClassLabel` feature `label`, where the file has them.
fn class_names(metadata: &FileMetaData) -> Vec<String> {
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let json = pairs.filter(|pair| pair.key == "huggingface").find_map(|pair| pair.value.as_deref());
    let hub: serde_json::Value = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let names = hub["info"]["features"]["label"]["names"].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
