//! A word of a stage, filled in.

/// A word filled in, but for the folder of its stage, which is named after what the words mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

/// What a word is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Given(Meaning),
    Out,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meaning {
    /// What is written in its place.
    pub(super) text: String,
    /// What counts in its place in the identity of a result.
    pub(super) identity: String,
}

impl Word {
    /// With the folder of its stage filled in.
    pub(super) fn text(&self, out: &str) -> String {
        let text = |part: &Part| match part {
            Part::Given(meaning) => meaning.text.clone(),
            Part::Out => out.to_owned(),
        };
        self.parts.iter().map(text).collect()
    }

    /// What counts of it in the identity of a result; `None` stands for the folder.
    pub(super) fn identity(&self) -> Vec<Option<&str>> {
        self.parts.iter().map(Part::identity).collect()
    }

    pub(super) fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Given(last)), Part::Given(next)) => {
                last.text += &next.text;
                last.identity += &next.identity;
            }
            (_, part) => self.parts.push(part),
        }
    }
}

impl Part {
    fn identity(&self) -> Option<&str> {
        match self {
            Part::Given(meaning) => Some(&meaning.identity),
            Part::Out => None,
        }
    }
}

impl Meaning {
    /// Something whose text says all.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Meaning { identity: text.clone(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_counts_as_a_place_and_all_else_by_what_it_means() {
        let mut word = Word::default();
        word.push(Part::Given(Meaning::plain("--x=")));
        word.push(Part::Given(Meaning { text: "data/a".to_owned(), identity: "hash".to_owned() }));
        word.push(Part::Out);
        word.push(Part::Given(Meaning::plain("/y")));
        assert_eq!(word.text("OUT"), "--x=data/aOUT/y");
        assert_eq!(word.identity(), [Some("--x=hash"), None, Some("/y")]);
    }
}
