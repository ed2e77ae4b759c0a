//! Where `unsafe` may stand, and that each place gives its reason.

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source::{self, Line};

/// Beginning of a path, how many places may use `unsafe`, and why.
const ALLOWED: &[(&str, usize, &str)] = &[
    ("crates/mg-kernels/", usize::MAX, "vector instructions and uninitialised scratch memory"),
    ("crates/mg-data/src/", 1, "the memory map of a packed set"),
    ("tests/faulty-disk/", usize::MAX, "functions in place of the system's calls"),
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut used = [0; ALLOWED.len()];
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let row = ALLOWED.iter().position(|(prefix, ..)| path.starts_with(prefix));
        let lines = source::lines(text);
        let mut shared = Shared::default();
        for (i, line) in lines.iter().enumerate() {
            let covered = shared.read(line);
            if !source::has_word(&line.code, "unsafe") {
                continue;
            }
            let limit = row.map_or(0, |row| {
                used[row] += 1;
                ALLOWED[row].1
            });
            let message = match row {
                None => "`unsafe` belongs in mg-kernels; write it safely, or move it there".to_string(),
                Some(row) if used[row] > limit => {
                    format!("{limit} `unsafe` is allowed below {}; write it safely", ALLOWED[row].0)
                }
                _ if covered || !promises(&line.code) || has_reason(&lines, i) => continue,
                _ => {
                    "`unsafe` without its reason; say above it, in `// SAFETY:`, why it is sound".to_string()
                }
            };
            findings.push(Finding::new(path, i + 1, message));
        }
    }
    findings
}

/// A comment `// SAFETY (all blocks): ...`, the reason of every block up to the end of the braces around it; of the
/// next item alone where there are none.
#[derive(Default)]
struct Shared {
    depth: i32,
    /// The depth the comment stands at, and whether its item has begun.
    comment: Option<(i32, bool)>,
}

impl Shared {
    /// Reads the next line; whether a shared reason covers it.
    fn read(&mut self, line: &Line) -> bool {
        if line.comment.contains("SAFETY (all") {
            self.comment = Some((self.depth, false));
        }
        let covered = self.comment.is_some();
        for c in line.code.chars().filter(|c| matches!(c, '{' | '}')) {
            self.depth += if c == '{' { 1 } else { -1 };
            let Some((depth, begun)) = &mut self.comment else { continue };
            *begun |= self.depth > *depth;
            if self.depth < *depth || (*depth == 0 && *begun && self.depth == 0) {
                self.comment = None;
            }
        }
        covered
    }
}

/// Whether this use of `unsafe` promises something: a block, an implementation, or a function that others call.
/// The type of a function and a private function pass the promise on to the blocks that call them.
fn promises(code: &str) -> bool {
    !code.contains("unsafe fn")
        || code.contains("pub") && !code.contains("unsafe fn(")
        || code.contains("unsafe {")
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
        let closure = code.ends_with('{') && code.contains('|');
        let part_of_it = code.starts_with("#[") || closure || !code.ends_with([';', '{', '}', ',']);
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
    const KERNELS: &str = "crates/mg-kernels/src/a.rs";

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
        assert_eq!(of(KERNELS, text), [4]);
        assert_eq!(of(KERNELS, "// SAFETY: far away.\n\nunsafe { f() }"), [3]);
        assert_eq!(of(KERNELS, "// SAFETY: a.\nlet a = time(|| {\n    unsafe { f() }\n});"), NOWHERE);
        assert_eq!(of(KERNELS, "// SAFETY: a.\nif a {\n    unsafe { f() }\n}"), [3]);
    }

    #[test]
    fn a_shared_reason_ends_with_the_braces_around_it() {
        let text = "impl A {\n    // SAFETY (all blocks): b.\n\n    fn c() { unsafe { d() } }\n\n    fn e() { unsafe { d() } }\n}\nfn f() { unsafe { d() } }";
        assert_eq!(of(KERNELS, text), [8]);
    }

    #[test]
    fn a_shared_reason_outside_braces_covers_one_item() {
        let text = "// SAFETY (all blocks): b.\nimpl A {\n    fn c() { unsafe { d() } }\n\n    fn e() { unsafe { d() } }\n}\nfn f() { unsafe { d() } }";
        assert_eq!(of(KERNELS, text), [7]);
    }

    #[test]
    fn a_function_that_others_call_documents_its_contract() {
        let documented = "/// Adds.\n///\n/// # Safety\n/// AVX2.\n#[inline]\npub unsafe fn add() {}";
        assert_eq!(of(KERNELS, documented), NOWHERE);
        assert_eq!(of(KERNELS, "/// Adds.\npub unsafe fn add() {}"), [2]);
        assert_eq!(of(KERNELS, "unsafe fn add() {}\npub(crate) add: unsafe fn(),"), NOWHERE);
        assert_eq!(of(KERNELS, "unsafe fn add() { unsafe { f() } }"), [1]);
    }

    #[test]
    fn one_memory_map_is_enough() {
        let text = "// SAFETY: a.\nunsafe { f() }\n// SAFETY: b.\nunsafe { g() }";
        assert_eq!(of("crates/mg-data/src/packed.rs", text), [4]);
    }

    #[test]
    fn lint_names_strings_and_comments_are_not_unsafe() {
        let text = "#![deny(unsafe_code)]\nlet a = \"unsafe\"; // unsafe";
        assert_eq!(of("crates/mg-eval/src/lib.rs", text), NOWHERE);
    }
}
