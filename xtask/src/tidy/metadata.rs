//! What a crate needs before a stranger can find it, read it and use it.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::repo::Repo;

const PACKAGE_KEYS: &[&str] = &[
    "description",
    "version",
    "edition",
    "rust-version",
    "license",
    "repository",
    "readme",
    "keywords",
    "categories",
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in repo.crates() {
        findings.extend(check_manifest(repo, name));
        findings.extend(check_readme(repo, name));
        if repo.has(&format!("crates/{name}/src/lib.rs")) {
            findings.extend(check_front_page(repo, name));
        }
    }
    findings
}

fn check_manifest(repo: &Repo, name: &str) -> Vec<Finding> {
    let path = format!("crates/{name}/Cargo.toml");
    let table: Table = match repo.text(&path).unwrap_or_default().parse() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(&path, 0, format!("is not TOML: {}", error.message()))],
    };
    let package = |key: &str| table.get("package").and_then(|p| p.get(key));
    let missing = PACKAGE_KEYS.iter().filter(|key| package(key).is_none());
    let mut findings: Vec<Finding> = missing
        .map(|key| Finding::new(&path, 0, format!("package.{key} is missing; crates.io and readers want it")))
        .collect();
    let lints = table.get("lints").and_then(|l| l.get("workspace")).and_then(Value::as_bool);
    if lints != Some(true) {
        let message = "does not take the workspace's lints; add [lints] workspace = true";
        findings.push(Finding::new(&path, 0, message));
    }
    findings
}

fn check_readme(repo: &Repo, name: &str) -> Option<Finding> {
    let path = format!("crates/{name}/README.md");
    let words = repo.text(&path).map_or(0, |text| text.split_whitespace().count());
    let message = "missing or empty; say what the crate is for, with an example";
    (words < 10).then(|| Finding::new(&path, 0, message))
}

/// A `lib.rs` begins with prose and holds an example that can be pasted.
fn check_front_page(repo: &Repo, name: &str) -> Vec<Finding> {
    let path = format!("crates/{name}/src/lib.rs");
    let text = repo.text(&path).unwrap_or_default();
    let page: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let mut findings = Vec::new();
    if page.len() < 3 {
        findings.push(Finding::new(
            &path,
            1,
            "begin with a page of `//!` prose: what the crate is, for whom",
        ));
    }
    let included = text.contains("#![doc = include_str!(\"../README.md\")]");
    let readme = repo.text(&format!("crates/{name}/README.md")).unwrap_or_default();
    let example = has_doctest(page.iter().map(|line| line[3..].trim()))
        || (included && has_doctest(readme.lines().map(str::trim)));
    if !example {
        findings.push(Finding::new(
            &path,
            1,
            "no doctest on the front page; add one that a newcomer can paste",
        ));
    }
    findings
}

/// Whether a fenced block opens that rustdoc compiles; `no_run` is for what takes minutes or writes files.
fn has_doctest<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut inside = false;
    for line in lines {
        let Some(language) = line.strip_prefix("```") else { continue };
        if !inside && matches!(language, "" | "rust" | "no_run") {
            return true;
        }
        inside = !inside;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# mg-a\n\nOne two three four five six seven eight nine ten.\n";
    const LIB: &str = "//! A crate.\n//!\n//! ```\n//! assert!(true);\n//! ```\n";

    fn manifest(without: &str) -> String {
        let keys = PACKAGE_KEYS.iter().filter(|key| **key != without);
        let package: String = keys.map(|key| format!("{key}.workspace = true\n")).collect();
        format!("[package]\nname = \"mg-a\"\n{package}[lints]\nworkspace = true\n")
    }

    fn of(manifest: &str, readme: &str, lib: &str) -> Vec<Finding> {
        let repo = Repo::of(&[
            ("crates/mg-a/Cargo.toml", manifest),
            ("crates/mg-a/README.md", readme),
            ("crates/mg-a/src/lib.rs", lib),
        ]);
        check(&repo)
    }

    #[test]
    fn a_complete_crate_passes() {
        assert_eq!(of(&manifest(""), README, LIB), []);
    }

    #[test]
    fn each_missing_key_is_found() {
        for key in PACKAGE_KEYS {
            let found = of(&manifest(key), README, LIB);
            assert!(found.len() == 1 && found[0].message.contains(key), "{key}");
        }
        assert_eq!(of(&manifest("").replace("[lints]", "[other]"), README, LIB).len(), 1);
    }

    #[test]
    fn an_empty_readme_is_found() {
        assert_eq!(of(&manifest(""), "# mg-a\n", LIB).len(), 1);
    }

    #[test]
    fn a_front_page_needs_an_example_that_compiles() {
        for fence in ["```text", "```ignore", "```toml"] {
            assert_eq!(of(&manifest(""), README, &LIB.replacen("```", fence, 1)).len(), 1, "{fence}");
        }
        assert_eq!(of(&manifest(""), README, "fn a() {}").len(), 2);
    }
}
