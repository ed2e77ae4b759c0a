use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Result;
use crate::listing::SplitFiles;
use crate::record::Record;
use crate::split::Split;
use crate::table::Table;

/// Parquet files that are one set. Their classes go by their names, not by the numbers that a file gives them.
pub(crate) struct Tables {
    found: SplitFiles,
    tables: Vec<Table>,
    pub(crate) classes: Vec<String>,
    /// The set's classes by those of each file.
    numbers: Vec<Vec<u32>>,
    pub(crate) notes: Vec<String>,
}

impl Tables {
    /// Opens files as one set.
    pub(crate) fn open(found: SplitFiles) -> Result<Self> {
        let tables = found.files.iter().map(|file| Table::open(file)).collect::<Result<Vec<_>>>()?;
        let classes = all_classes(&tables);
        let number = |name: &String| classes.iter().position(|class| class == name).unwrap_or(0) as u32;
        let numbers = tables.iter().map(|table| table.classes().0.iter().map(number).collect()).collect();
        let mut notes = found.notes.clone();
        for note in tables.iter().flat_map(|table| &table.notes) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        Ok(Tables { found, tables, classes, numbers, notes })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> u64 {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.len()))
    }

    /// The part that is read, where there are parts.
    pub(crate) fn split(&self) -> Option<Split> {
        self.found.split
    }

    /// The files.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.found.files
    }

    /// All rows in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        self.tables.iter().zip(&self.numbers).flat_map(|(table, numbers)| table.records(numbers.clone()))
    }
}

/// The classes of all files: those of the first, then those that later ones have beside. Sorted, where they are names that
/// stand in the rows.
fn all_classes(tables: &[Table]) -> Vec<String> {
    let (mut classes, mut known) = (Vec::new(), BTreeSet::new());
    for name in tables.iter().flat_map(|table| table.classes().0) {
        if known.insert(name) {
            classes.push(name.clone());
        }
    }
    if tables.iter().any(|table| table.classes().1) {
        classes.sort();
    }
    classes
}
