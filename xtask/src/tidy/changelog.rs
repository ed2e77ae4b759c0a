//! A changelog that is ready for the next entry.

use crate::finding::Finding;
use crate::repo::Repo;

const PATH: &str = "CHANGELOG.md";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let Some(text) = repo.text(PATH) else {
        return vec![Finding::new(PATH, 0, "is missing; write it, beginning with a section `## Unreleased`")];
    };
    let open = |line: &str| matches!(line.trim_end(), "## Unreleased" | "## [Unreleased]");
    match text.lines().any(open) {
        true => Vec::new(),
        false => vec![Finding::new(PATH, 0, "has no section `## Unreleased`; add it above the last release")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_needs_an_open_section() {
        assert_eq!(check(&Repo::of(&[(PATH, "# Changes\n\n## [Unreleased]\n")])), []);
        assert_eq!(check(&Repo::of(&[(PATH, "# Changes\n\nUnreleased\n## 0.1.0\n")])).len(), 1);
        assert_eq!(check(&Repo::of(&[])).len(), 1);
    }
}
