//! What a file takes from other files.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, closing};

/// The names that a file uses and defines. Paths are as in the file, but for modules inside it, which are the file itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Imports {
    /// Every name of every `use`.
    pub(super) uses: Vec<Use>,
    /// Every path in code that begins with `crate`, `super` or `self`, and its line.
    pub(super) paths: Vec<(Vec<String>, usize)>,
    /// Names of what it defines.
    pub(super) items: BTreeSet<String>,
    /// Words of its code that are no parts of paths or fields, and the first line of each.
    pub(super) words: BTreeMap<String, usize>,
}

/// `use a::b::C as D`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    /// `a`, `b`, `C`; without the star of all names.
    pub(super) path: Vec<String>,
    /// `D`; `*` of all names.
    pub(super) name: String,
    /// Where it stands.
    pub(super) line: usize,
}

const ALL: &str = "*";
const DEFINES: &[&str] =
    &["const", "enum", "fn", "macro_rules", "mod", "static", "struct", "trait", "type", "union"];

/// How deep inside its file something stands.
#[derive(Clone, Copy)]
struct Depth {
    modules: usize,
    /// Those of modules too.
    braces: usize,
}

impl Use {
    /// Whether it takes all names there are.
    pub(super) fn is_of_all(&self) -> bool {
        self.name == ALL
    }
}

impl Imports {
    /// Reads a file, without its tests.
    pub(super) fn read(tokens: &[Token<'_>]) -> Self {
        let mut imports = Imports::default();
        // Ends of the modules inside the file that are open.
        let mut open: Vec<usize> = Vec::new();
        let (mut at, mut braces) = (0, 0_usize);
        while at < tokens.len() {
            open.retain(|&end| at < end);
            if let Some(end) = inline_module(tokens, at) {
                open.push(end);
            }
            match tokens[at].text {
                "{" => braces += 1,
                "}" => braces = braces.saturating_sub(1),
                _ => {}
            }
            let place = Depth { modules: open.len(), braces };
            at += if tokens[at].is_test { 1 } else { imports.take(tokens, at, place) };
        }
        imports
    }

    /// Takes what begins at a token; returns how many tokens that were.
    fn take(&mut self, tokens: &[Token<'_>], at: usize, depth: Depth) -> usize {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let before = if at == 0 { "" } else { text(at - 1) };
        let Token { text: word, line, .. } = tokens[at];
        if word == "use" && text(at + 1) != "<" {
            let end = (at..tokens.len()).find(|&at| text(at) == ";").unwrap_or(tokens.len());
            self.tree(&tokens[at + 1..end], &[], depth.modules);
            return end - at;
        }
        if !tokens[at].is_word() || [".", "::"].contains(&before) {
            return 1;
        }
        let path = path(&tokens[at..]);
        if path.len() > 1 && ["crate", "super", "self"].contains(&word) {
            self.paths.push((outside(&path, depth.modules), line));
            return 2 * path.len() - 1;
        }
        let is_defined =
            DEFINES.contains(&before) || (before == "!" && at > 1 && text(at - 2) == "macro_rules");
        if is_defined && depth.braces <= depth.modules {
            self.items.insert(word.to_owned());
        } else {
            self.words.entry(word.to_owned()).or_insert(line);
        }
        1
    }

    /// The names of a tree: `a::{b::C, d::*}`.
    fn tree(&mut self, tokens: &[Token<'_>], prefix: &[String], depth: usize) {
        let Some(first) = tokens.first() else { return };
        // From the root of all crates: none of ours.
        if first.text == "::" {
            return;
        }
        let own = path(tokens);
        let full = [prefix, &own].concat();
        let rest = &tokens[(2 * own.len()).saturating_sub(1).min(tokens.len())..];
        let text: Vec<&str> = rest.iter().map(|token| token.text).collect();
        let name = match text.as_slice() {
            [] => full.last().cloned(),
            ["as", name] => Some((*name).to_owned()),
            ["::", ALL] | [ALL] => Some(ALL.to_owned()),
            _ => None,
        };
        if let Some(name) = name {
            // `a::{self}` is `a`.
            let is_self = full.len() > 1 && full.last().is_some_and(|last| last == "self");
            let full = if is_self { &full[..full.len() - 1] } else { &full[..] };
            let name = if name == "self" { full.last().cloned().unwrap_or_default() } else { name };
            self.uses.push(Use { path: outside(full, depth), name, line: first.line });
        } else if let Some(open) = text.iter().position(|text| *text == "{") {
            let close = closing(rest, open);
            for branch in branches(&rest[open + 1..close]) {
                self.tree(branch, &full, depth);
            }
        }
    }
}

/// The parts between commas that stand in no inner braces.
fn branches<'a, 'b>(tokens: &'b [Token<'a>]) -> Vec<&'b [Token<'a>]> {
    let (mut branches, mut start, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        match tokens[at].text {
            "{" => at = closing(tokens, at),
            "," => {
                branches.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    branches.push(&tokens[start..]);
    branches
}

/// The words at the beginning that `::` joins.
fn path(tokens: &[Token<'_>]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        if !pair[0].is_word() {
            break;
        }
        path.push(pair[0].text.to_owned());
        let is_joined = pair.get(1).is_some_and(|token| token.text == "::");
        let goes_on = tokens.get(2 * path.len()).is_some_and(Token::is_word);
        if !is_joined || !goes_on {
            break;
        }
    }
    path
}

/// A path that stands `depth` modules deep inside its file, from outside of these.
fn outside(path: &[String], depth: usize) -> Vec<String> {
    let up = path.iter().take_while(|part| *part == "super").count();
    if depth == 0 || up == 0 {
        return path.to_vec();
    }
    let supers = vec!["super".to_owned(); up.saturating_sub(depth)];
    let start = if supers.is_empty() { vec!["self".to_owned()] } else { supers };
    [&start, &path[up..]].concat()
}

/// The end of the module inside the file that begins here.
fn inline_module(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let is_module = tokens[at].text == "mod" && tokens.get(at + 2)?.text == "{";
    is_module.then(|| closing(tokens, at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;
    use crate::tokens::tokens;

    fn read(text: &str) -> Imports {
        Imports::read(&tokens(&source::lines(text)))
    }

    fn uses(text: &str) -> Vec<String> {
        let shown = |used: &Use| format!("{} {} {}", used.path.join("::"), used.name, used.line);
        read(text).uses.iter().map(shown).collect()
    }

    #[test]
    fn a_tree_is_all_its_names() {
        let text = "use crate::a::{self, b::{C, D as E}, f::*};\npub(crate) use super::g;\nuse self::h::*;\nuse ::i::J;\nuse k;";
        assert_eq!(
            uses(text),
            [
                "crate::a a 1",
                "crate::a::b::C C 1",
                "crate::a::b::D E 1",
                "crate::a::f * 1",
                "super::g g 2",
                "self::h * 3",
                "k k 5"
            ]
        );
        assert_eq!(uses("use {\n    crate::a,\n    super::*,\n};"), ["crate::a a 2", "super * 3"]);
    }

    #[test]
    fn what_stands_in_tests_strings_and_comments_is_no_import() {
        let text = "// use crate::a;\nconst B: &str = \"use crate::c;\";\nfn d() -> impl E + use<'_> {}\n#[cfg(test)]\nmod tests {\n    use crate::f;\n    fn g() { crate::h() }\n}";
        assert_eq!(uses(text), [""; 0]);
        assert_eq!(read(text).paths, []);
    }

    #[test]
    fn paths_in_code_are_found() {
        let text = "fn a(b: &crate::c::D) {\n    super::e(f::g, Vec::<super::H>::new(), $crate::i!());\n    pub(in super::super) j: K\n}";
        let paths: Vec<String> =
            read(text).paths.iter().map(|(path, line)| format!("{} {line}", path.join("::"))).collect();
        assert_eq!(paths, ["crate::c::D 1", "super::e 2", "super::H 2", "crate::i 2", "super::super 3"]);
    }

    #[test]
    fn words_and_items_are_told_apart() {
        let imports = read(
            "struct A(B);\nfn c(d: A) { d.e(F::g()) }\nmacro_rules! h { () => {} }\nimpl A { fn new() {} }\nmod i { fn j() {} }",
        );
        assert_eq!(imports.items.iter().map(String::as_str).collect::<Vec<_>>(), ["A", "c", "h", "i", "j"]);
        assert!(["B", "F", "d", "new"].iter().all(|word| imports.words.contains_key(*word)));
        assert!(["e", "g"].iter().all(|word| !imports.words.contains_key(*word)));
    }

    #[test]
    fn modules_inside_a_file_are_the_file() {
        let text =
            "mod a {\n    use super::B;\n    use super::super::c;\n    use crate::d;\n}\nuse super::e;";
        assert_eq!(uses(text), ["self::B B 2", "super::c c 3", "crate::d d 4", "super::e e 6"]);
    }
}
