//! Code left half done.

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        for (i, line) in source::lines(text).iter().enumerate() {
            if let Some(name) = MACROS.iter().find(|name| source::calls_macro(&line.code, name)) {
                findings.push(Finding::new(
                    path,
                    i + 1,
                    format!("{name}! is left over; finish it or remove it"),
                ));
            }
            if line.code.contains("#[ignore]") {
                let message = "a test ignored without a reason; mend it, or write #[ignore = \"why\"]";
                findings.push(Finding::new(path, i + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_found_in_tests_too() {
        let text =
            "// todo!()\nfn a() { todo!() }\n#[cfg(test)]\nmod tests {\n    dbg!(1);\n    #[ignore]\n}";
        let lines: Vec<usize> =
            check(&Repo::of(&[("crates/a/src/lib.rs", text)])).iter().map(|f| f.line).collect();
        assert_eq!(lines, [2, 5, 6]);
    }
}
