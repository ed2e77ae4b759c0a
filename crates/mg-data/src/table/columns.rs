use std::path::Path;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
use parquet::file::reader::RowGroupReader;
use parquet::schema::types::ColumnDescriptor;

use crate::limits::MAX_FILE;

/// The numbers of the columns that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Columns {
    /// Bytes of images.
    pub(super) image: usize,
    /// Paths of images that are not in the table.
    pub(super) path: Option<usize>,
    pub(super) label: Option<usize>,
}

/// Names of image columns, the first that is there.
const IMAGES: [&str; 2] = ["image", "img"];
/// Names of label columns, the first that is there.
pub(super) const LABELS: [&str; 4] = ["label", "labels", "fine_label", "coarse_label"];
/// What writers call the steps into a list.
const STEPS: [&str; 5] = ["list", "element", "item", "array", "bag"];
/// A row group that announces more rows is damaged.
const MAX_GROUP: u64 = 1 << 32;

impl Columns {
    /// Finds the columns of a table, and says which label columns are not read.
    pub(super) fn find(metadata: &FileMetaData) -> Result<(Self, Vec<String>), String> {
        let columns = metadata.schema_descr().columns();
        let find = |name: &str, types: &[Type]| {
            columns.iter().position(|column| {
                plain_name(column) == name
                    && types.contains(&column.physical_type())
                    && column.max_rep_level() <= 1
            })
        };
        let bytes = [Type::BYTE_ARRAY, Type::FIXED_LEN_BYTE_ARRAY];
        let image = IMAGES.iter().find_map(|name| {
            let found = find(&format!("{name}.bytes"), &bytes).or_else(|| find(name, &bytes))?;
            Some((found, find(&format!("{name}.path"), &[Type::BYTE_ARRAY])))
        });
        let Some((image, path)) = image else {
            let names: Vec<String> = columns.iter().map(|column| described(column)).collect();
            let looked_for = IMAGES.join("` or `");
            return Err(format!(
                "no image column: looked for bytes called `{looked_for}`, found {}",
                names.join(", ")
            ));
        };
        let mut notes = Vec::new();
        let mut label = None;
        for name in LABELS {
            let Some(number) = columns.iter().position(|column| column.path().parts()[0] == name) else {
                continue;
            };
            let column = &columns[number];
            let is_read = column.max_rep_level() == 0
                && column.path().parts().len() == 1
                && matches!(
                    column.physical_type(),
                    Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::BOOLEAN
                );
            match label {
                None if is_read => label = Some((number, name)),
                None => notes
                    .push(format!("the column {} is not read: no class for each image", described(column))),
                Some((_, taken)) => {
                    notes.push(format!("the column {name} is not read: classes are those of {taken}"))
                }
            }
        }
        Ok((Columns { image, path, label: label.map(|(number, _)| number) }, notes))
    }
}

/// The path of a column without the steps into a list.
fn plain_name(column: &ColumnDescriptor) -> String {
    let mut parts = column.path().parts().iter();
    let first = parts.next().cloned().unwrap_or_default();
    parts.filter(|part| !STEPS.contains(&part.as_str())).fold(first, |name, part| format!("{name}.{part}"))
}

/// The name of a column, and what it holds.
fn described(column: &ColumnDescriptor) -> String {
    let list = if column.max_rep_level() > 0 { "lists of " } else { "" };
    format!("{} ({list}{})", column.path().string(), column.physical_type())
}

/// Number of rows of a row group whose columns lie within the file, and are not too large unpacked.
pub(super) fn check_group(
    group: &RowGroupMetaData,
    columns: Columns,
    file_length: u64,
) -> Result<u64, String> {
    for column in
        [Some(columns.image), columns.path, columns.label].into_iter().flatten().map(|i| group.column(i))
    {
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
    let rows = rows.ok_or_else(|| format!("damaged: a row group of {} rows", group.num_rows()))?;
    let of_image = bytes_of_image(group, columns);
    if of_image > MAX_FILE {
        return Err(format!(
            "the {rows} images of this row group take {of_image} bytes each when unpacked, more than {MAX_FILE}"
        ));
    }
    Ok(rows)
}

/// Bytes of an image of a row group, unpacked, on average.
fn bytes_of_image(group: &RowGroupMetaData, columns: Columns) -> u64 {
    let bytes = u64::try_from(group.column(columns.image).uncompressed_size()).unwrap_or(u64::MAX);
    bytes / u64::try_from(group.num_rows()).unwrap_or(1).max(1)
}

/// A column of a row group.
pub(super) struct Column {
    reader: ColumnReader,
    /// The definition level of a value that is there.
    max_level: i16,
    is_list: bool,
}

impl Column {
    pub(super) fn open(group: &dyn RowGroupReader, number: usize) -> Result<Self, ParquetError> {
        let descriptor = group.metadata().column(number).column_descr_ptr();
        let (max_level, is_list) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
        Ok(Column { reader: group.get_column_reader(number)?, max_level, is_list })
    }

    /// The bytes of the next rows.
    pub(super) fn bytes(&mut self, rows: usize) -> Result<Vec<Option<ByteArray>>, ParquetError> {
        let (level, is_list) = (self.max_level, self.is_list);
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => read(reader, level, is_list, rows),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let values = read(reader, level, is_list, rows)?;
                Ok(values.into_iter().map(|value| value.map(ByteArray::from)).collect())
            }
            _ => Err(ParquetError::General("the column holds no bytes".into())),
        }
    }

    /// The integers of the next rows; truths are 0 and 1.
    pub(super) fn integers(&mut self, rows: usize) -> Result<Vec<Option<i64>>, ParquetError> {
        fn whole<T: Into<i64>>(values: Vec<Option<T>>) -> Vec<Option<i64>> {
            values.into_iter().map(|value| value.map(Into::into)).collect()
        }
        let (level, is_list) = (self.max_level, self.is_list);
        match &mut self.reader {
            ColumnReader::Int64ColumnReader(reader) => read(reader, level, is_list, rows),
            ColumnReader::Int32ColumnReader(reader) => Ok(whole(read(reader, level, is_list, rows)?)),
            ColumnReader::BoolColumnReader(reader) => Ok(whole(read(reader, level, is_list, rows)?)),
            _ => Err(ParquetError::General("the column holds no integers".into())),
        }
    }
}

/// The next `rows` values of a column, of a list its only one; nulls and empty lists are `None`.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    max_level: i16,
    is_list: bool,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut levels, mut repeated) = (Vec::with_capacity(rows), Vec::new());
    let (mut values, mut done) = (Vec::with_capacity(rows), 0);
    while done < rows {
        let again = is_list.then_some(&mut repeated);
        let (records, ..) = reader.read_records(rows - done, Some(&mut levels), again, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("the column ends {} rows early", rows - done)));
        }
        done += records;
    }
    if repeated.iter().any(|&level| level > 0) {
        return Err(ParquetError::General("a list of several images; one is read of each row".into()));
    }
    let mut values = values.into_iter();
    if max_level == 0 {
        return Ok(values.map(Some).collect());
    }
    Ok(levels.into_iter().map(|level| if level == max_level { values.next() } else { None }).collect())
}

/// The file that a row without bytes names, below the table's folder.
pub(super) fn beside(table: &Path, name: &str) -> Option<std::path::PathBuf> {
    let is_plain = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
    let path = Path::new(name)
        .components()
        .all(is_plain)
        .then(|| table.parent().unwrap_or(Path::new("")).join(name));
    path.filter(|path| path.is_file())
}
