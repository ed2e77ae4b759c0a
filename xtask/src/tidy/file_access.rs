//! Which files of the libraries read or write the disk.

use super::stale_rows;
use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// Path and what it does on the disk. Every other file of a library works on values.
const ALLOWED: &[(&str, &str)] = &[
    ("crates/mg-data/src/dataset.rs", "makes the folder of packed copies"),
    ("crates/mg-data/src/folder.rs", "lists a folder of images"),
    ("crates/mg-data/src/input.rs", "tells by size and time whether a packed copy is still good"),
    ("crates/mg-data/src/pack.rs", "writes a packed set"),
    ("crates/mg-data/src/packed.rs", "maps a packed set into memory"),
    ("crates/mg-data/src/record.rs", "reads an image of a folder"),
    ("crates/mg-data/src/source.rs", "finds out what lies at a path"),
    ("crates/mg-data/src/table.rs", "reads a parquet file"),
    ("crates/mg-eval/src/write.rs", "writes pictures and sheets"),
    ("crates/mg-pyramid/src/mask/file.rs", "reads a mask from a picture"),
    ("crates/mg-train/src/config/layers.rs", "reads a configuration"),
    ("crates/mg-train/src/files.rs", "writes whole files or none, and appends lines"),
    ("crates/mg-train/src/run_dir.rs", "makes, locks and lists a run directory"),
    ("crates/mg-train/src/tensor_file.rs", "reads checkpoints and models"),
];

/// Beginnings of paths that are no library.
const FRONT_ENDS: &[&str] = &["crates/mg-cli/", "xtask/", "tests/"];

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
    for (path, text) in repo.rust() {
        if FRONT_ENDS.iter().any(|f| path.starts_with(f)) || source::is_beside_the_library(path) {
            continue;
        }
        let Some((line, word)) = first_access(text) else { continue };
        if ALLOWED.iter().any(|(row, _)| *row == path) {
            used.push(path);
        } else {
            let message = format!(
                "`{word}` in a file that is not known to touch the disk; take a reader or bytes, or add a row \
                 with the reason to xtask/src/tidy/file_access.rs"
            );
            findings.push(Finding::new(path, line, message));
        }
    }
    findings.extend(stale_rows(ALLOWED.iter().map(|row| row.0), &used, "xtask/src/tidy/file_access.rs"));
    findings
}

fn first_access(text: &str) -> Option<(usize, &'static str)> {
    let lines = source::lines(text);
    let mut code = lines.iter().enumerate().filter(|(_, line)| !line.test);
    code.find_map(|(i, line)| {
        WORDS.iter().find(|word| source::has_word(&line.code, word)).map(|word| (i + 1, *word))
    })
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
    fn tests_and_front_ends_open_files() {
        assert_eq!(first_access("#[cfg(test)]\nmod tests {\n    use std::fs;\n}"), None);
        let found = check(&Repo::of(&[("crates/mg-cli/src/run.rs", "use std::fs;")]));
        assert!(found.iter().all(|f| !f.path.starts_with("crates/mg-cli/")));
    }
}
