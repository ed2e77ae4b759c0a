//! Functions that can be read without scrolling.

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;
use crate::tokens::{Token, closing, tokens};

const MAX_LINES: usize = 60;

/// Path, name of the function, and why it may be longer: its body is one `match`, array or macro, a table that is read line
/// by line.
const TABLES: &[(&str, &str, &str)] = &[];

/// Path, name of the function, and who will split it.
const KNOWN: &[(&str, &str, &str)] = &[];

const HERE: &str = "xtask/src/tidy/function_size.rs";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for (path, text) in repo.rust() {
        let lines = source::lines(text);
        for function in functions(&tokens(&lines)).into_iter().filter(|function| function.lines > MAX_LINES) {
            let mut rows =
                if function.is_table { TABLES.iter().chain(KNOWN) } else { [].iter().chain(KNOWN) };
            match rows.find(|(row, name, _)| *row == path && *name == function.name) {
                Some((row, name, _)) => used.push((*row, *name)),
                None => findings.push(Finding::new(path, function.line, function.complaint())),
            }
        }
    }
    let stale = TABLES.iter().chain(KNOWN).filter(|(path, name, _)| !used.contains(&(*path, *name)));
    findings.extend(stale.map(|(path, name, _)| {
        Finding::new(path, 0, format!("{name} no longer needs its row in {HERE}; remove the row"))
    }));
    findings
}

/// A function with a body.
#[derive(Debug, PartialEq)]
struct Function<'a> {
    name: &'a str,
    /// Where it begins.
    line: usize,
    /// From `fn` to the brace that closes its body.
    lines: usize,
    /// Whether its body is one `match`, array or macro.
    is_table: bool,
}

impl Function<'_> {
    fn complaint(&self) -> String {
        let Function { name, lines, is_table, .. } = self;
        let or = if *is_table {
            format!(", or add a row with the reason to {HERE}: it is a table")
        } else {
            String::new()
        };
        format!("{name} has {lines} lines, more than {MAX_LINES}; split it by what its parts do{or}")
    }
}

fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    let starts = (0..tokens.len()).filter(|&at| tokens[at].text == "fn");
    starts.filter_map(|start| function(tokens, start)).collect()
}

/// The function at `fn`; `None` of the type of a function, and of one without a body.
fn function<'a>(tokens: &[Token<'a>], start: usize) -> Option<Function<'a>> {
    // In a macro the name is a variable.
    let name_at = if tokens.get(start + 1)?.text == "$" { start + 2 } else { start + 1 };
    let name = tokens.get(name_at).filter(|token| token.is_word())?;
    let open = body(tokens, name_at)?;
    let close = closing(tokens, open);
    let (line, last) = (tokens[start].line, tokens[close].line);
    let is_table = is_table(&tokens[open + 1..close]);
    Some(Function { name: name.text, line, lines: last - line + 1, is_table })
}

/// The brace that opens a body.
fn body(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match tokens.get(at)?.text {
            // A constant among generic arguments.
            "{" if tokens[at - 1].text == "<" => at = closing(tokens, at),
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at = closing(tokens, at),
            _ => {}
        }
        at += 1;
    }
}

/// Whether these tokens are one `match`, array or macro.
fn is_table(body: &[Token<'_>]) -> bool {
    let word = |at: usize| body.get(at).map_or("", |token| token.text);
    let open = match (word(0), word(1)) {
        ("match", _) => body.iter().position(|token| token.text == "{"),
        ("[", _) => Some(0),
        ("&", "[") => Some(1),
        (_, "!") => Some(2),
        _ => None,
    };
    let Some(open) = open.filter(|&open| open < body.len()) else { return false };
    let after = &body[closing(body, open) + 1..];
    after.iter().all(|token| token.text == ";")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, usize, usize, bool)> {
        let lines = source::lines(text);
        let tokens = tokens(&lines);
        let found = functions(&tokens).into_iter();
        found
            .map(|function| (function.name.to_owned(), function.line, function.lines, function.is_table))
            .collect()
    }

    #[test]
    fn a_function_ends_at_its_own_brace() {
        let text = "#[inline]\npub(crate) const fn a() {\n    let _ = ('}', \"}\", r#\"}\"#, b'}'); // }\n    /* } */ {\n    }\n}\nfn b() {}";
        assert_eq!(of(text), [("a".to_owned(), 2, 5, false), ("b".to_owned(), 7, 1, false)]);
    }

    #[test]
    fn signatures_may_hold_braces_and_brackets() {
        let text = "fn a<const N: usize>(x: [u8; { 1 }]) -> A<{ N }>\nwhere\n    B: C,\n{\n    1\n}";
        assert_eq!(of(text), [("a".to_owned(), 1, 6, false)]);
    }

    #[test]
    fn what_has_no_body_or_no_name_is_no_function() {
        let text = "trait A {\n    fn a(&self) -> [u8; 2];\n    fn b(&self) {}\n}\nstruct C { d: fn(u8) -> u8 }\nmacro_rules! e { ($f:ident) => { fn $f() {} } }";
        let names: Vec<String> = of(text).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["b", "f"]);
    }

    #[test]
    fn functions_inside_functions_count_in_both() {
        assert_eq!(of("fn a() {\n    fn b() {\n    }\n}").iter().map(|f| f.2).collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn tables_are_known_by_their_only_expression() {
        for body in
            ["match a { A => 1, B => { 2 } }", "[1, 2]", "&[1, 2]", "vec![1]", "table! { a }", "table!(a);"]
        {
            assert!(of(&format!("fn f() {{ {body} }}"))[0].3, "{body}");
        }
        for body in
            ["", "let a = 1; match a { _ => 1 }", "match a { _ => 1 } + 1", "[1, 2].len()", "a(); vec![1]"]
        {
            assert!(!of(&format!("fn f() {{ {body} }}"))[0].3, "{body}");
        }
    }

    #[test]
    fn the_line_after_the_last_is_one_too_many() {
        let found = |lines: usize| {
            let text = format!("\nfn long() {{\n{}}}", "    a();\n".repeat(lines - 2));
            let findings = check(&Repo::of(&[("crates/a/src/long.rs", &text)]));
            findings.into_iter().find(|f| f.path == "crates/a/src/long.rs").map(|f| (f.line, f.message))
        };
        assert_eq!(found(MAX_LINES), None);
        let message = "long has 61 lines, more than 60; split it by what its parts do";
        assert_eq!(found(MAX_LINES + 1), Some((2, message.to_owned())));
    }

    #[test]
    fn rows_that_nothing_needs_are_found() {
        let found = check(&Repo::of(&[]));
        assert_eq!(found.len(), TABLES.len() + KNOWN.len());
        assert!(found.iter().all(|finding| finding.message.contains("remove the row")));
    }
}
