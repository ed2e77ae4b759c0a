//! What names mean in the words of a stage.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::template::{Piece, Template};
use super::variables::{DATA, OUT, Value, Variables};
use super::word::{Meaning, Part, Word};

/// The names that a stage may use. Every name is resolved where it stands, from its own template, so that no value is ever
/// looked through for the names of others.
pub(super) struct Scope<'a> {
    /// Of the profile and of the row; the row's take the place of the profile's.
    pub(super) variables: &'a Variables,
    /// Names with one meaning for all stages so far: the seed, and the folders of earlier stages.
    pub(super) known: BTreeMap<String, Meaning>,
    /// What lies where variables of data point, by the value of the variable.
    pub(super) contents: &'a BTreeMap<String, String>,
}

impl Scope<'_> {
    /// The words of a stage. A variable that is a list becomes as many words as it has, and must stand alone.
    pub(super) fn words(&self, templates: &[String]) -> Result<Vec<Word>> {
        self.expand(templates, &mut Vec::new())
    }

    /// What a variable says that is one word.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        Ok(self.name(name, &mut Vec::new())?.text(""))
    }

    fn expand(&self, templates: &[String], open: &mut Vec<String>) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        for template in templates {
            let template = Template::parse(template)?;
            match template.sole_name().map(|name| (name, self.variables.get(name))) {
                Some((name, Some(Value::Words(templates)))) => {
                    enter(name, open)?;
                    words.extend(self.expand(templates, open)?);
                    open.pop();
                }
                _ => words.push(self.word(&template, open)?),
            }
        }
        Ok(words)
    }

    fn word(&self, template: &Template, open: &mut Vec<String>) -> Result<Word> {
        let mut word = Word::default();
        for piece in template.pieces() {
            match piece {
                Piece::Text(text) => word.push(Part::Given(Meaning::plain(text))),
                Piece::Name(name) if name == OUT => word.push(Part::Out),
                Piece::Name(name) => {
                    self.name(name, open)?.parts.into_iter().for_each(|part| word.push(part))
                }
            }
        }
        Ok(word)
    }

    fn name(&self, name: &str, open: &mut Vec<String>) -> Result<Word> {
        if let Some(meaning) = self.known.get(name) {
            return Ok(Word { parts: vec![Part::Given(meaning.clone())] });
        }
        let template = match self.variables.get(name) {
            Some(Value::Word(template)) => template,
            Some(Value::Words(_)) => {
                bail!("the variable {name} is a list of words, so {{{name}}} must be a word of its own")
            }
            None => bail!("there is no variable {name}; there are {}", self.names().join(", ")),
        };
        enter(name, open)?;
        let template = Template::parse(template).with_context(|| format!("variable {name}"))?;
        let word = self.word(&template, open)?;
        open.pop();
        if name.starts_with(DATA) { self.data(name, &word) } else { Ok(word) }
    }

    /// A set counts by what it is and not by where it lies.
    fn data(&self, name: &str, word: &Word) -> Result<Word> {
        ensure!(
            !word.parts.contains(&Part::Out),
            "the variable {name} names a set, so it cannot hold {{{OUT}}}"
        );
        let text = word.text("");
        let identity = self.contents.get(&text).unwrap_or(&text).clone();
        Ok(Word { parts: vec![Part::Given(Meaning { text, identity })] })
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.known.keys().chain(self.variables.keys()).map(String::as_str).collect();
        names.push(OUT);
        names.sort_unstable();
        names
    }
}

/// Notes that a variable is being resolved.
fn enter(name: &str, open: &mut Vec<String>) -> Result<()> {
    ensure!(
        !open.iter().any(|other| other == name),
        "the variable {name} holds itself, by {}",
        open.join(", ")
    );
    open.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::variables::SEED;
    use super::*;

    fn variables(text: &str) -> Variables {
        toml::from_str(text).unwrap()
    }

    fn line(text: &str, words: &[&str]) -> Result<Vec<String>> {
        let (variables, contents) = (variables(text), BTreeMap::new());
        let known = [(SEED.to_owned(), Meaning::plain("3"))].into();
        let scope = Scope { variables: &variables, known, contents: &contents };
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        Ok(scope.words(&words)?.iter().map(|word| word.text("OUT")).collect())
    }

    #[test]
    fn lists_become_words_and_words_become_parts() {
        let text =
            "learn = ['--set', 'model.grids={grids}', '{more}']\ngrids = '[1,4]'\nmore = []\nlayer = ',cd1'";
        let words = line(text, &["train", "default{layer}", "{learn}", "--seed={seed}", "{out}/x"]).unwrap();
        assert_eq!(words, ["train", "default,cd1", "--set", "model.grids=[1,4]", "--seed=3", "OUT/x"]);
    }

    #[test]
    fn words_with_blanks_survive() {
        let text = "note = 'two words'\nlearn = ['--note', '{note}', 'of  more']";
        assert_eq!(
            line(text, &["a b", "{note}", "{learn}"]).unwrap(),
            ["a b", "two words", "--note", "two words", "of  more"]
        );
        assert_eq!(line("layer = ''", &["{layer}"]).unwrap(), [""], "an empty word is a word");
    }

    #[test]
    fn the_alphabet_does_not_matter() {
        for (outer, inner) in [("a", "z"), ("z", "a")] {
            let text = format!("{outer} = ['-x', '{{{inner}}}']\n{inner} = ['two', 'words']");
            assert_eq!(line(&text, &[&format!("{{{outer}}}")]).unwrap(), ["-x", "two", "words"], "{outer}");
        }
    }

    #[test]
    fn a_value_is_never_looked_through_for_names() {
        let text = "a = '{{b}}'\nb = 'wrong'\ndata = '{{seed}}/{{out}}'";
        assert_eq!(line(text, &["{a}", "{data}"]).unwrap(), ["{b}", "{seed}/{out}"]);
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let error = |text: &str, words: &[&str]| format!("{:#}", line(text, words).unwrap_err());
        assert_eq!(
            error("b = ''\na = ''", &["x{nothing}"]),
            "there is no variable nothing; there are a, b, out, seed"
        );
        assert!(error("a = ['{c}']", &["{a}"]).contains("no variable c;"));
        assert!(error("a = ['x']", &["--x={a}"]).contains("a is a list of words"));
        assert!(error("a = 'x{b}'\nb = 'y{a}'", &["{b}"]).contains("b holds itself, by b, a"));
        assert!(error("data = '{out}'", &["{data}"]).contains("cannot hold {out}"));
    }

    #[test]
    fn a_set_counts_by_what_it_is() {
        let (variables, known) = (variables("data = 'place'\ntest = ['--input', '{data}']"), BTreeMap::new());
        let contents = [("place".to_owned(), "hash".to_owned())].into();
        let scope = Scope { variables: &variables, known, contents: &contents };
        let words = scope.words(&["{test}".to_owned(), "--x={out}/{data}".to_owned()]).unwrap();
        assert_eq!(words[1].text(""), "place");
        assert_eq!(words[1].identity(), [Some("hash")]);
        assert_eq!(words[2].identity(), [Some("--x="), None, Some("/hash")]);
    }
}
