//! A Rust file line by line, with code and comments apart.
//!
//! Enough of Rust's lexer to never mistake a string or a comment for code; no parser.

/// One line of a Rust file.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The code, without comments and without what stands inside string and character literals.
    pub(crate) code: String,
    /// The text of all comments on the line.
    pub(crate) comment: String,
    /// Inside an item under `#[cfg(test)]`.
    pub(crate) test: bool,
}

enum State {
    Code,
    Comment { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// Splits a file into lines.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut state = State::Code;
    let mut lines: Vec<Line> = text.lines().map(|line| split(line, &mut state)).collect();
    mark_tests(&mut lines);
    lines
}

/// Whether `word` stands in `code` with no identifier character on either side.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part)
            && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// Whether `code` calls the macro `name`.
pub(crate) fn calls_macro(code: &str, name: &str) -> bool {
    has_word(code, &format!("{name}!"))
}

fn split(text: &str, state: &mut State) -> Line {
    let chars: Vec<char> = text.chars().collect();
    let mut line = Line::default();
    let mut i = 0;
    while i < chars.len() {
        let rest = &chars[i..];
        i += match *state {
            State::Code => code(rest, chars[..i].last(), state, &mut line),
            State::Comment { depth } => comment(rest, depth, state, &mut line),
            State::Text if rest[0] == '\\' => 2,
            State::Text => close(rest, 0, state, &mut line),
            State::RawText { hashes } => close(rest, hashes, state, &mut line),
        };
    }
    line
}

/// Consumes something of code, or the start of something else; returns the number of characters.
fn code(rest: &[char], before: Option<&char>, state: &mut State, line: &mut Line) -> usize {
    let inside_a_word = before.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    if rest.starts_with(&['/', '/']) {
        line.comment.extend(&rest[2..]);
        return rest.len();
    }
    if rest.starts_with(&['/', '*']) {
        *state = State::Comment { depth: 1 };
        return 2;
    }
    if !inside_a_word && let Some((length, hashes)) = raw_text(rest) {
        line.code.push('"');
        *state = State::RawText { hashes };
        return length;
    }
    if rest[0] == '"' {
        *state = State::Text;
    }
    if rest[0] == '\''
        && let Some(length) = character(rest)
    {
        line.code.push_str("''");
        return length;
    }
    line.code.push(rest[0]);
    1
}

fn comment(rest: &[char], depth: usize, state: &mut State, line: &mut Line) -> usize {
    if rest.starts_with(&['/', '*']) {
        *state = State::Comment { depth: depth + 1 };
        return 2;
    }
    if rest.starts_with(&['*', '/']) {
        *state = if depth == 1 { State::Code } else { State::Comment { depth: depth - 1 } };
        return 2;
    }
    line.comment.push(rest[0]);
    1
}

/// Inside a string literal: looks for the quote, followed by `hashes` hashes, that ends it.
fn close(rest: &[char], hashes: usize, state: &mut State, line: &mut Line) -> usize {
    let ends = rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&c| c == '#');
    if !ends {
        return 1;
    }
    line.code.push('"');
    *state = State::Code;
    1 + hashes
}

/// The length and the number of hashes of the opening of `r#"`, `br"`, `cr"`.
fn raw_text(rest: &[char]) -> Option<(usize, usize)> {
    let prefix = match rest {
        ['r', ..] => 1,
        ['b' | 'c', 'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    (rest.get(prefix + hashes) == Some(&'"')).then_some((prefix + hashes + 1, hashes))
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        [_, '\\', _, tail @ ..] => Some(4 + tail.iter().position(|&c| c == '\'')?),
        [_, _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// Marks every item that follows an attribute which asks for `test`.
fn mark_tests(lines: &mut [Line]) {
    let mut i = 0;
    while i < lines.len() {
        let code = lines[i].code.trim_start();
        if !(code.starts_with("#[cfg(") && has_word(code, "test") && !code.contains("not(test")) {
            i += 1;
            continue;
        }
        let mut depth = 0;
        let mut done = false;
        while i < lines.len() && !done {
            for c in lines[i].code.chars() {
                match c {
                    '{' | '(' | '[' => depth += 1,
                    '}' | ')' | ']' => depth -= 1,
                    _ => {}
                }
                done |= depth == 0 && matches!(c, '}' | ';');
            }
            lines[i].test = true;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|l| l.code).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code_of("a(\"b // c\"); // d"), ["a(\"\"); "]);
        assert_eq!(code_of("a /* b /* c */ d\ne */ f"), ["a ", " f"]);
        assert_eq!(code_of("x(r#\"say \"unsafe\" \\\"#, y)"), ["x(\"\", y)"]);
        assert_eq!(code_of("\"two\nlines \\\" unsafe\" z"), ["\"", "\" z"]);
        assert_eq!(code_of("for r in r\"\\\".x() {}"), ["for r in \"\".x() {}"]);
    }

    #[test]
    fn a_quote_character_opens_no_string() {
        assert_eq!(code_of("if c == '\"' { unsafe {} }"), ["if c == '' { unsafe {} }"]);
        assert_eq!(code_of("'\\'' '\\u{22}' 'a: &'static"), ["'' '' 'a: &'static"]);
    }

    #[test]
    fn words_end_at_identifier_characters() {
        assert!(has_word("let x = unsafe { y };", "unsafe"));
        assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
        assert!(calls_macro("std::println!()", "println") && !calls_macro("eprintln!()", "println"));
    }

    #[test]
    fn tests_end_where_their_item_ends() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() -> [u8; 2] {}\n}\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}";
        let marked: Vec<bool> = lines(text).iter().map(|l| l.test).collect();
        assert_eq!(marked, [false, true, true, true, true, false, true, true, false]);
    }
}
