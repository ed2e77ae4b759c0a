//! Files that can be read in one sitting.

use super::stale_rows;
use crate::finding::Finding;
use crate::repo::Repo;

const MAX_LINES: usize = 500;

/// Path and why it may be longer.
const LONGER: &[(&str, &str)] = &[];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
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
                "{lines} lines, more than {MAX_LINES}; split it by nouns, or add a row with the reason to \
                 xtask/src/tidy/file_size.rs"
            );
            findings.push(Finding::new(path, 0, message));
        }
    }
    findings.extend(stale_rows(LONGER.iter().map(|row| row.0), &used, "xtask/src/tidy/file_size.rs"));
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
    fn a_row_that_nothing_needs_is_found() {
        let stale = stale_rows(["a.rs", "b.rs"].into_iter(), &["b.rs"], "t.rs");
        assert_eq!(stale, [Finding::new("a.rs", 0, "no longer needs its row in t.rs; remove the row")]);
    }
}
