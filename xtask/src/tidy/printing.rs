//! Libraries return; front ends print.

use super::sources;
use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

const MACROS: &[&str] = &["println", "eprintln", "print", "eprint"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in sources::of_libraries(repo) {
        for (line, code) in file.code() {
            if let Some(name) = MACROS.iter().find(|name| source::calls_macro(code, name)) {
                let message =
                    format!("{name}! in a library; return the value, or use tracing and let mg-cli print");
                findings.push(Finding::new(file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_prints_is_found() {
        let repo = Repo::of(&[("crates/mg-eval/src/lib.rs", "fn f() {\n    eprintln!(\"hello\");\n}")]);
        let found = check(&repo);
        assert_eq!((found.len(), found[0].line), (1, 2));
    }

    #[test]
    fn front_ends_and_tests_print() {
        let repo = Repo::of(&[
            ("crates/mg-cli/src/main.rs", "fn f() { println!(); }"),
            (
                "crates/mg-eval/src/a.rs",
                "//! println!()\n#[cfg(test)]\nmod tests {\n fn f() { println!(); }\n}",
            ),
        ]);
        assert_eq!(check(&repo), []);
    }
}
