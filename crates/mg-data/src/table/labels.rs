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
/// Rows of a table whose labels are read: a gigabyte of them. A few bytes can say that so many rows have none.
const MOST_ROWS: i64 = 1 << 26;

impl Labels {
    /// Reads the column of labels; or why there are none.
    pub(super) fn read(
        reader: &SerializedFileReader<File>,
        column: usize,
    ) -> Result<Result<Self, String>, ParquetError> {
        let metadata = reader.metadata().file_metadata();
        let descriptor = metadata.schema_descr().column(column);
        let name = descriptor.name().to_owned();
        let rows = reader
            .metadata()
            .row_groups()
            .iter()
            .fold(0i64, |sum, group| sum.saturating_add(group.num_rows()));
        if rows > MOST_ROWS {
            return Ok(Err(format!("the column {name} is not read: {rows} rows, more than {MOST_ROWS}")));
        }
        if descriptor.physical_type() == Type::BYTE_ARRAY {
            return Self::of_names(reader, column, &name);
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

    /// Labels that are the names of classes. Every name is kept once, for a few bytes can say that a long one stands in
    /// millions of rows.
    fn of_names(
        reader: &SerializedFileReader<File>,
        column: usize,
        name: &str,
    ) -> Result<Result<Self, String>, ParquetError> {
        let mut known = Names::default();
        let of_rows = each_group(reader, column, |column, rows| {
            let cells = column.bytes(rows)?;
            Ok(cells.iter().map(|cell| known.number(cell.as_ref()?.data())).collect())
        })?;
        if let Some(why) = known.refused {
            return Ok(Err(format!("the column {name} is not read: {why}")));
        }
        let shown: Vec<String> = known.in_order.iter().map(|name| readable_bytes(name)).collect();
        let sorted: BTreeSet<&String> = shown.iter().collect();
        let place: BTreeMap<&String, u32> = sorted.iter().copied().zip(0..).collect();
        let class = |number: u32| place.get(shown.get(number as usize)?).copied();
        let of_rows = of_rows.into_iter().map(|number: Option<u32>| number.and_then(class)).collect();
        let classes = sorted.into_iter().cloned().collect();
        Ok(Ok(Labels { of_rows, classes, are_names: true }.or_none()))
    }

    /// Nothing, when no row has a label.
    fn or_none(self) -> Self {
        if self.of_rows.iter().all(Option::is_none) { Labels::default() } else { self }
    }
}

/// Bytes of the name of a class, at most.
const MOST_NAME: usize = 1 << 12;

/// Names of classes, each once, in the order in which they were met.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<Vec<u8>, u32>,
    in_order: Vec<Vec<u8>>,
    /// Why these are none.
    refused: Option<String>,
}

impl Names {
    fn number(&mut self, name: &[u8]) -> Option<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let (number, most) = (self.in_order.len() as i64, MAX_LABEL + 1);
        if name.len() > MOST_NAME {
            self.refused = Some(format!("a text of {} bytes is no class, {MOST_NAME} at most", name.len()));
        } else if number == most {
            self.refused = Some(format!("it has more than {most} different texts"));
        }
        if self.refused.is_some() {
            return None;
        }
        self.numbers.insert(name.to_owned(), number as u32);
        self.in_order.push(name.to_owned());
        Some(number as u32)
    }
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
