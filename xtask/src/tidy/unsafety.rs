//! Where `unsafe` may stand, and that each place gives its reason.

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source::{self, Line};

/// Beginning of a path, how many places may use `unsafe`, and why.
const ALLOWED: &[(&str, usize, &str)] = &[
    ("crates/mg-kernels/", usize::MAX, "vector instructions and uninitialised scratch memory"),
    ("crates/mg-data/src/", 1, "the memory map of a packed set"),
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut used = [0; ALLOWED.len()];
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let row = ALLOWED.iter().position(|(prefix, ..)| path.starts_with(prefix));
        let lines = source::lines(text);
        for (i, _) in lines.iter().enumerate().filter(|(_, line)| source::has_word(&line.code, "unsafe")) {
            let limit = row.map_or(0, |row| {
                used[row] += 1;
                ALLOWED[row].1
            });
            if row.is_none_or(|row| used[row] > limit) {
                let message = match limit {
                    0 => "`unsafe` belongs in mg-kernels; write it safely, or move it there".to_string(),
                    _ => format!("{limit} `unsafe` is allowed below {}; write it safely", path_prefix(row)),
                };
                findings.push(Finding::new(path, i + 1, message));
            } else if !has_reason(&lines, i) {
                let message = "`unsafe` without its reason; say above it, in `// SAFETY:`, why it is sound";
                findings.push(Finding::new(path, i + 1, message));
            }
        }
    }
    findings
}

fn path_prefix(row: Option<usize>) -> &'static str {
    row.map_or("", |row| ALLOWED[row].0)
}

/// Looks at the line itself, then upwards through comments, attributes and the statement's own first lines.
fn has_reason(lines: &[Line], at: usize) -> bool {
    let reason = |line: &Line| line.comment.contains("SAFETY:") || line.comment.contains("# Safety");
    if reason(&lines[at]) {
        return true;
    }
    for line in lines[..at].iter().rev() {
        if reason(line) {
            return true;
        }
        let code = line.code.trim();
        let part_of_it = code.starts_with("#[") || !code.ends_with([';', '{', '}', ',']);
        if !part_of_it || (code.is_empty() && line.comment.is_empty()) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: [usize; 0] = [];

    fn of(path: &str, text: &str) -> Vec<usize> {
        check(&Repo::of(&[(path, text)])).iter().map(|f| f.line).collect()
    }

    #[test]
    fn unsafe_elsewhere_is_found_even_with_a_reason() {
        assert_eq!(of("crates/mg-eval/src/a.rs", "// SAFETY: no.\nunsafe { f() }"), [2]);
    }

    #[test]
    fn a_block_in_the_kernels_needs_a_reason_of_its_own() {
        let text = "// SAFETY: checked above.\nlet a =\n    unsafe { f() };\nlet b = unsafe { g() };";
        assert_eq!(of("crates/mg-kernels/src/a.rs", text), [4]);
        assert_eq!(of("crates/mg-kernels/src/a.rs", "// SAFETY: far away.\n\nunsafe { f() }"), [3]);
    }

    #[test]
    fn an_unsafe_function_documents_its_contract() {
        let path = "crates/mg-kernels/src/a.rs";
        assert_eq!(
            of(path, "/// Adds.\n///\n/// # Safety\n/// AVX2.\n#[inline]\npub unsafe fn add() {}"),
            NOWHERE
        );
        assert_eq!(of(path, "/// Adds.\npub unsafe fn add() {}"), [2]);
    }

    #[test]
    fn one_memory_map_is_enough() {
        let text = "// SAFETY: a.\nunsafe { f() }\n// SAFETY: b.\nunsafe { g() }";
        assert_eq!(of("crates/mg-data/src/packed.rs", text), [4]);
    }

    #[test]
    fn lint_names_strings_and_comments_are_not_unsafe() {
        assert_eq!(
            of("crates/mg-eval/src/lib.rs", "#![deny(unsafe_code)]\nlet a = \"unsafe\"; // unsafe"),
            NOWHERE
        );
    }
}
