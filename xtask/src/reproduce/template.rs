//! A word in which names stand for something: `--json={out}/scores.json`.

use anyhow::{Result, bail, ensure};

/// A word taken apart. `{NAME}` is a name; `{{` and `}}` are braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Name(String),
}

impl Template {
    pub(super) fn parse(word: &str) -> Result<Self> {
        let mut template = Template::default();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace, after) = (&rest[..at], &rest[at..=at], &rest[at + 1..]);
            template.push_text(before);
            if let Some(after) = after.strip_prefix(brace) {
                template.push_text(brace);
                rest = after;
                continue;
            }
            ensure!(brace == "{", "`{word}` closes a brace that is not open; write }}}} for a brace");
            let Some((name, after)) = after.split_once('}') else {
                bail!("`{word}` opens a brace that is not closed; write {{{{ for a brace");
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            ensure!(!name.is_empty() && name.chars().all(is_name), "`{{{name}}}` in `{word}` is no name");
            template.pieces.push(Piece::Name(name.to_owned()));
            rest = after;
        }
        template.push_text(rest);
        Ok(template)
    }

    /// Text that stands for itself, as a template: `escaped(text)` parses to `text`.
    pub(super) fn escaped(text: &str) -> String {
        text.replace('{', "{{").replace('}', "}}")
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The name that is all of the word.
    pub(super) fn sole_name(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Name(name)] => Some(name),
            _ => None,
        }
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_text_and_names() {
        let pieces = |word: &str| Template::parse(word).unwrap().pieces;
        let (text, name) = (|t: &str| Piece::Text(t.to_owned()), |n: &str| Piece::Name(n.to_owned()));
        assert_eq!(pieces("--json={out}/x"), [text("--json="), name("out"), text("/x")]);
        assert_eq!(pieces("{a}{b-c}"), [name("a"), name("b-c")]);
        assert_eq!(pieces("two words"), [text("two words")]);
        assert_eq!(pieces(""), []);
        assert_eq!(Template::parse("{learn}").unwrap().sole_name(), Some("learn"));
        assert_eq!(Template::parse("x{learn}").unwrap().sole_name(), None);
    }

    #[test]
    fn doubled_braces_are_braces() {
        let pieces = Template::parse("{{a}} {b}").unwrap().pieces;
        assert_eq!(pieces, [Piece::Text("{a} ".to_owned()), Piece::Name("b".to_owned())]);
        for text in ["{out}", "}{", "a{{b", "plain"] {
            let pieces = Template::parse(&Template::escaped(text)).unwrap().pieces;
            assert_eq!(pieces, [Piece::Text(text.to_owned())], "{text}");
        }
    }

    #[test]
    fn braces_that_do_not_match_are_errors() {
        for word in ["{out", "out}", "{}", "{a b}", "{a{b}"] {
            assert!(Template::parse(word).is_err(), "{word}");
        }
    }
}
