//! Which files of the libraries read or write the disk.

use super::sources::{self, SourceFile};
use super::stale_rows;
use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// Path and what it does on the disk. Every other file of a library works on values.
const ALLOWED: &[(&str, &str)] = &[
    ("crates/mg-backbone/src/feature_file.rs", "appends features and reads them back"),
    ("crates/mg-backbone/src/weights.rs", "reads published weights"),
    ("crates/mg-data/src/archive.rs", "reads a tar archive"),
    ("crates/mg-data/src/archive/tarball.rs", "reads an archive"),
    ("crates/mg-data/src/archive/zipped.rs", "reads an archive"),
    ("crates/mg-data/src/idx.rs", "reads images and labels"),
    ("crates/mg-data/src/table/labels.rs", "reads the labels of an open table"),
    ("crates/mg-data/src/cifar.rs", "reads CIFAR's batches"),
    ("crates/mg-data/src/dataset.rs", "makes the folder of packed copies"),
    ("crates/mg-data/src/folder.rs", "lists a folder of images"),
    ("crates/mg-data/src/listing.rs", "lists a folder of tables"),
    ("crates/mg-data/src/lmdb.rs", "reads an LMDB environment"),
    ("crates/mg-data/src/mat.rs", "reads a MATLAB file"),
    ("crates/mg-data/src/numpy/array.rs", "reads numpy's arrays"),
    ("crates/mg-data/src/packed.rs", "maps a packed set into memory"),
    ("crates/mg-data/src/record.rs", "reads an image of a folder"),
    ("crates/mg-data/src/source.rs", "finds out what lies at a path"),
    ("crates/mg-data/src/spec.rs", "tells by size and time whether a packed copy is still good"),
    ("crates/mg-data/src/table.rs", "reads a parquet file"),
    ("crates/mg-files/src/abandoned.rs", "deletes what killed processes left"),
    ("crates/mg-files/src/lib.rs", "writes whole files or none"),
    ("crates/mg-hub/src/digest.rs", "hashes a file"),
    ("crates/mg-hub/src/lock.rs", "reads what pinned files are"),
    ("crates/mg-hub/src/options.rs", "reads the user's token"),
    ("crates/mg-hub/src/store.rs", "keeps the cache"),
    ("crates/mg-hub/src/transfer.rs", "writes what arrives"),
    ("crates/mg-pyramid/src/mask/file.rs", "reads a mask from a picture"),
    ("crates/mg-train/src/config/layers.rs", "reads a configuration"),
    ("crates/mg-train/src/run/checkpoint.rs", "reads a checkpoint"),
    ("crates/mg-train/src/run/dir.rs", "makes, locks and lists a run directory"),
    ("crates/mg-train/src/run/lines.rs", "appends lines"),
    ("crates/mg-train/src/run/model.rs", "reads a model file"),
    ("crates/mg-train/src/run/newest.rs", "lists run directories"),
    ("crates/mg-train/src/run/record.rs", "reads a run directory"),
];

const WORDS: &[&str] = &[
    "std::fs",
    "fs::File",
    "File::open",
    "File::create",
    "OpenOptions",
    "image::open",
    "ImageReader::open",
    "serialize_to_file",
    "memmap2",
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    let files = sources::of_libraries(repo);
    for file in &files {
        let Some((line, word)) = first_access(file) else { continue };
        if ALLOWED.iter().any(|(row, _)| *row == file.path) {
            used.push(file.path);
        } else {
            let message = format!(
                "`{word}` in a file that is not known to touch the disk; take a reader or bytes, or add a row \
                 with the reason to xtask/src/tidy/file_access.rs"
            );
            findings.push(Finding::new(file.path, line, message));
        }
    }
    findings.extend(stale_rows(ALLOWED.iter().map(|row| row.0), &used, "xtask/src/tidy/file_access.rs"));
    findings
}

fn first_access(file: &SourceFile<'_>) -> Option<(usize, &'static str)> {
    let word = |code: &str| WORDS.iter().copied().find(|word| source::has_word(code, word));
    file.code().find_map(|(line, code)| Some((line, word(code)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_opens_files_is_found() {
        for code in ["use std::fs;", "let f = File::open(p)?;", "let i = image::open(p)?;"] {
            let found = check(&Repo::of(&[("crates/mg-pyramid/src/grid.rs", &format!("\n{code}"))]));
            let place = ("crates/mg-pyramid/src/grid.rs", 2);
            assert!(found.iter().any(|f| (f.path.as_str(), f.line) == place), "{code}");
        }
    }

    #[test]
    fn tests_open_files() {
        let text = "#[cfg(test)]\nmod tests {\n    use std::fs;\n}";
        let found = check(&Repo::of(&[("crates/mg-pyramid/src/grid.rs", text)]));
        assert!(found.iter().all(|f| f.path != "crates/mg-pyramid/src/grid.rs"));
    }

    #[test]
    fn rows_for_files_that_are_gone_are_found() {
        assert_eq!(check(&Repo::of(&[])).len(), ALLOWED.len());
    }
}
