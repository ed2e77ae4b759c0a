//! Files that can be read in one sitting.

use std::collections::BTreeMap;

use super::sources::{self, SourceFile};
use super::stale_rows;
use crate::finding::Finding;
use crate::repo::Repo;

const MAX_LINES: usize = 500;
/// Of the files of a crate, half have at most so many lines outside tests.
const MAX_MEDIAN: usize = 150;

/// Path and why it may be longer.
const LONGER: &[(&str, &str)] = &[];

/// Folder of the sources of a crate and why its files may be longer.
const LONGER_MEDIAN: &[(&str, &str)] = &[];

const HERE: &str = "xtask/src/tidy/file_size.rs";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = check_files(repo);
    findings.extend(check_medians(&sources::all(repo)));
    findings
}

fn check_files(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    let code = repo.texts().filter(|(path, _)| [".rs", ".py", ".sh"].iter().any(|end| path.ends_with(end)));
    for (path, text) in code {
        let lines = text.lines().count();
        if lines <= MAX_LINES {
            continue;
        }
        if LONGER.iter().any(|(row, _)| *row == path) {
            used.push(path);
        } else {
            let message = format!(
                "{lines} lines, more than {MAX_LINES}; split it by nouns, or add a row with the reason to {HERE}"
            );
            findings.push(Finding::new(path, 0, message));
        }
    }
    findings.extend(stale_rows(LONGER.iter().map(|row| row.0), &used, HERE));
    findings
}

fn check_medians(files: &[SourceFile<'_>]) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for file in files {
        let Some(root) = file.root() else { continue };
        crates.entry(root).or_default().push(file.code().count());
    }
    let (mut findings, mut used) = (Vec::new(), Vec::new());
    for (root, mut lines) in crates {
        lines.sort_unstable();
        // Of an even number of files, the shorter of the two in the middle.
        let median = lines[(lines.len() - 1) / 2];
        if median <= MAX_MEDIAN {
            continue;
        }
        if LONGER_MEDIAN.iter().any(|(row, _)| *row == root) {
            used.push(root);
            continue;
        }
        let message = format!(
            "the median file has {median} lines outside tests, more than {MAX_MEDIAN}; split its files by nouns, or add a \
             row with the reason to {HERE}"
        );
        findings.push(Finding::new(root, 0, message));
    }
    findings.extend(stale_rows(LONGER_MEDIAN.iter().map(|row| row.0), &used, HERE));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_after_the_last_is_one_too_many() {
        let found = |lines: usize| {
            let findings = check(&Repo::of(&[("crates/a/src/long.rs", &"\n".repeat(lines))]));
            findings.iter().any(|f| f.path == "crates/a/src/long.rs")
        };
        assert!(found(MAX_LINES + 1) && !found(MAX_LINES));
    }

    #[test]
    fn a_crate_of_long_files_is_found_whatever_its_tests() {
        let found = |lines: [usize; 3], tests: usize| {
            let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(tests));
            let texts = lines.map(|lines| "\n".repeat(lines) + &tests);
            let paths = ["crates/a/src/lib.rs", "crates/a/src/b.rs", "crates/a/src/b/c.rs"];
            let files: Vec<(&str, &str)> = paths.into_iter().zip(texts.iter().map(String::as_str)).collect();
            check(&Repo::of(&files)).into_iter().filter(|finding| finding.path == "crates/a/src").count()
        };
        assert_eq!(found([10, MAX_MEDIAN, 400], 90), 0);
        assert_eq!(found([10, MAX_MEDIAN + 1, 400], 0), 1);
    }

    #[test]
    fn a_row_that_nothing_needs_is_found() {
        let stale = stale_rows(["a.rs", "b.rs"].into_iter(), &["b.rs"], "t.rs");
        assert_eq!(stale, [Finding::new("a.rs", 0, "no longer needs its row in t.rs; remove the row")]);
    }
}
