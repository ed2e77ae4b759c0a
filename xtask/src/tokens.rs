//! A Rust file as a row of tokens.

use crate::source::Line;

/// A word, or a mark; what stands inside literals and comments is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// An identifier, a keyword or a number; `::` or `->`; or one character.
    pub(crate) text: &'a str,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Inside an item under `#[cfg(test)]`.
    pub(crate) is_test: bool,
}

impl Token<'_> {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_character)
    }
}

/// Takes the lines of a file apart.
pub(crate) fn tokens(lines: &[Line]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let mut rest = line.code.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word_character(c) => rest.find(|c| !is_word_character(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") || rest.starts_with("->") => 2,
                c => c.len_utf8(),
            };
            tokens.push(Token { text: &rest[..length], line: i + 1, is_test: line.test });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The place of the bracket that closes the one at `open`; the last place where none does.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    #[test]
    fn words_and_marks_are_told_apart() {
        let lines = source::lines("use a::{b, c_1}; // d::e\nfn f() -> &'static str { \"}\" }");
        let tokens = tokens(&lines);
        let text: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        let expected = "use a :: { b , c_1 } ; fn f ( ) -> & ' static str { \" \" }";
        assert_eq!(text.join(" "), expected);
        assert_eq!((tokens[8].line, tokens[9].line), (1, 2));
        assert!(tokens[0].is_word() && !tokens[2].is_word());
    }

    #[test]
    fn brackets_are_closed_by_their_own() {
        let lines = source::lines("a({ '}' } /* ) */, [\")\"]) b");
        let tokens = tokens(&lines);
        assert_eq!(tokens[closing(&tokens, 1) + 1].text, "b");
        assert_eq!(closing(&tokens, tokens.len() - 1), tokens.len() - 1);
    }
}
