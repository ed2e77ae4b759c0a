//! Libraries return; front ends print.

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

/// Beginnings of paths whose business it is to print.
const FRONT_ENDS: &[&str] = &["crates/mg-cli/", "xtask/", "tests/"];

const MACROS: &[&str] = &["println", "eprintln", "print", "eprint"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let libraries = repo.rust().filter(|(path, _)| {
        !FRONT_ENDS.iter().any(|f| path.starts_with(f)) && !source::is_beside_the_library(path)
    });
    libraries.flat_map(|(path, text)| check_file(path, text)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, line) in source::lines(text).iter().enumerate().filter(|(_, line)| !line.test) {
        if let Some(name) = MACROS.iter().find(|name| source::calls_macro(&line.code, name)) {
            let message =
                format!("{name}! in a library; return the value, or use tracing and let mg-cli print");
            findings.push(Finding::new(path, i + 1, message));
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
    fn front_ends_examples_and_tests_print() {
        let print = "fn f() { println!(); }";
        let repo = Repo::of(&[
            ("crates/mg-cli/src/main.rs", print),
            ("crates/mg-eval/examples/a.rs", print),
            ("crates/mg-eval/tests/a.rs", print),
            (
                "crates/mg-eval/src/a.rs",
                "//! println!()\n#[cfg(test)]\nmod tests {\n fn f() { println!(); }\n}",
            ),
        ]);
        assert_eq!(check(&repo), []);
    }
}
