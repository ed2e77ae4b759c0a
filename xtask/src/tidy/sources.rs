//! The code of the repository that is compiled into programs, without tests.

use crate::repo::Repo;
use crate::source::{self, Line};

/// Beginnings of paths that belong to front ends.
const FRONT_ENDS: &[&str] = &["crates/mg-cli/", "xtask/", "tests/"];

/// A file, without its tests.
pub(super) struct SourceFile<'a> {
    pub(super) path: &'a str,
    lines: Vec<Line>,
}

impl SourceFile<'_> {
    /// The folder of sources that it belongs to: `crates/NAME/src` or `xtask/src`.
    pub(super) fn root(&self) -> Option<&str> {
        let end = self.path.find("/src/")? + "/src".len();
        Some(&self.path[..end])
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Number, from 1, and code of every line outside tests.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate().filter(|(_, line)| !line.test);
        lines.map(|(i, line)| (i + 1, line.code.as_str()))
    }
}

/// Every file of every library, in order of path: what is compiled into other people's programs.
pub(super) fn of_libraries(repo: &Repo) -> Vec<SourceFile<'_>> {
    let is_front_end = |path: &str| FRONT_ENDS.iter().any(|front| path.starts_with(front));
    all(repo).into_iter().filter(|file| !is_front_end(file.path)).collect()
}

/// Every file of every library and front end, in order of path.
pub(super) fn all(repo: &Repo) -> Vec<SourceFile<'_>> {
    let rust = repo.rust().filter(|(path, _)| !is_beside_the_sources(path));
    let files: Vec<SourceFile<'_>> =
        rust.map(|(path, text)| SourceFile { path, lines: source::lines(text) }).collect();
    let tests: Vec<String> = files.iter().flat_map(test_modules).collect();
    let is_test = |path: &str| tests.iter().any(|module| is_module(path, module));
    files.into_iter().filter(|file| !is_test(file.path)).collect()
}

/// Whether the file is compiled into tests, examples, benchmarks or a build script only.
fn is_beside_the_sources(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "examples" | "benches" | "build.rs"))
}

/// Paths, without ending, of the modules that `file` declares under `#[cfg(test)]` and keeps in files of their own.
fn test_modules(file: &SourceFile<'_>) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", file.path));
    let folder = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_string(),
        _ => file.path.trim_end_matches(".rs").to_string(),
    };
    let declared = file.lines.iter().filter(|line| line.test).filter_map(|line| {
        let words: Vec<&str> = line.code.trim_end_matches(';').split_whitespace().collect();
        let at = words.iter().position(|word| *word == "mod")?;
        line.code.trim_end().ends_with(';').then(|| words.get(at + 1).copied())?
    });
    declared.map(|module| format!("{folder}/{module}")).collect()
}

fn is_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_front_ends_are_no_library() {
        let test = "#[cfg(test)]\nmod speed;\nmod shape;";
        let repo = Repo::of(&[
            ("crates/mg-a/src/lib.rs", test),
            ("crates/mg-a/src/shape.rs", test),
            ("crates/mg-a/src/shape/speed.rs", ""),
            ("crates/mg-a/src/speed.rs", ""),
            ("crates/mg-a/src/speed/deep.rs", ""),
            ("crates/mg-a/src/speedy.rs", ""),
            ("crates/mg-a/tests/it/main.rs", ""),
            ("crates/mg-a/examples/a.rs", ""),
            ("crates/mg-a/build.rs", ""),
            ("crates/mg-cli/src/main.rs", ""),
        ]);
        let paths: Vec<&str> = of_libraries(&repo).iter().map(|file| file.path).collect();
        assert_eq!(
            paths,
            ["crates/mg-a/src/lib.rs", "crates/mg-a/src/shape.rs", "crates/mg-a/src/speedy.rs"]
        );
    }

    #[test]
    fn lines_of_tests_are_no_code() {
        let repo = Repo::of(&[("crates/mg-a/src/a.rs", "// a\nb\n#[cfg(test)]\nmod tests {\n    c\n}\nd")]);
        let files = of_libraries(&repo);
        let code: Vec<(usize, &str)> = files[0].code().filter(|(_, code)| !code.is_empty()).collect();
        assert_eq!(code, [(2, "b"), (7, "d")]);
    }
}
