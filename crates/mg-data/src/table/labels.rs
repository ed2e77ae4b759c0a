use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::columns::Column;
use crate::limits::MAX_LABEL;
use crate::readable::readable_bytes;

/// What a table says of the classes of its rows.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Of every row; empty when no row has one.
    pub(super) of_rows: Vec<Option<u32>>,
    /// Names of the first classes.
    pub(super) classes: Vec<String>,
    /// Whether names were in the rows themselves, so that their order says nothing.
    pub(super) are_names: bool,
}

/// Rows whose labels are read at once.
const ROWS: usize = 1 << 16;

impl Labels {
    /// Reads the column of labels; or why there are none.
    pub(super) fn read(
        reader: &SerializedFileReader<File>,
        column: usize,
    ) -> Result<Result<Self, String>, ParquetError> {
        let metadata = reader.metadata().file_metadata();
        let descriptor = metadata.schema_descr().column(column);
        let name = descriptor.name().to_owned();
        if descriptor.physical_type() == Type::BYTE_ARRAY {
            return Ok(Self::of_names(&name, &texts(reader, column)?));
        }
        let numbers = each_group(reader, column, |column, rows| column.integers(rows))?;
        let wrong = numbers.iter().flatten().find(|label| !(-1..=MAX_LABEL).contains(*label));
        if let Some(wrong) = wrong {
            let why = format!("{wrong} is no class number from 0 to {MAX_LABEL}");
            return Ok(Err(format!("the column {name} is not read: {why}")));
        }
        // The hub's convention for an example without a label is -1.
        let of_rows: Vec<Option<u32>> =
            numbers.into_iter().map(|label| label.and_then(|label| u32::try_from(label).ok())).collect();
        let classes = match descriptor.physical_type() {
            Type::BOOLEAN => vec!["false".to_owned(), "true".to_owned()],
            _ => class_names(metadata, &name),
        };
        Ok(Ok(Labels { of_rows, classes, are_names: false }.or_none()))
    }

    /// Labels that are the names of classes.
    fn of_names(column: &str, names: &[Option<String>]) -> Result<Self, String> {
        let known: BTreeSet<&String> = names.iter().flatten().collect();
        if known.len() as i64 > MAX_LABEL + 1 {
            let (count, most) = (known.len(), MAX_LABEL + 1);
            return Err(format!(
                "the column {column} is not read: it has {count} different texts, more than {most}"
            ));
        }
        let number: BTreeMap<&String, u32> = known.iter().copied().zip(0..).collect();
        let of_rows = names.iter().map(|name| number.get(name.as_ref()?).copied()).collect();
        let classes = known.into_iter().cloned().collect();
        Ok(Labels { of_rows, classes, are_names: true }.or_none())
    }

    /// Nothing, when no row has a label.
    fn or_none(self) -> Self {
        if self.of_rows.iter().all(Option::is_none) { Labels::default() } else { self }
    }
}

fn texts(reader: &SerializedFileReader<File>, column: usize) -> Result<Vec<Option<String>>, ParquetError> {
    each_group(reader, column, |column, rows| {
        let cells = column.bytes(rows)?.into_iter();
        Ok(cells.map(|cell| cell.map(|cell| readable_bytes(cell.data()))).collect())
    })
}

/// All values of a column.
fn each_group<T>(
    reader: &SerializedFileReader<File>,
    column: usize,
    mut next: impl FnMut(&mut Column, usize) -> Result<Vec<T>, ParquetError>,
) -> Result<Vec<T>, ParquetError> {
    let mut values = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let mut column = Column::open(group.as_ref(), column)?;
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        while left > 0 {
            let rows = left.min(ROWS);
            values.extend(next(&mut column, rows)?);
            left -= rows;
        }
    }
    Ok(values)
}

/// The names of the hub's `ClassLabel` feature of this column, where the file has them.
fn class_names(metadata: &FileMetaData, column: &str) -> Vec<String> {
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let json = pairs.filter(|pair| pair.key == "huggingface").find_map(|pair| pair.value.as_deref());
    let hub: serde_json::Value = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let names = hub["info"]["features"][column]["names"].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
