use serde::{Deserialize, Serialize};

/// What was left out of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many bad images.
    pub count: u64,
    /// The first [`MAX_NAMED`](Skipped::MAX_NAMED) of them: name and defect.
    pub named: Vec<(String, String)>,
    /// What else was left out, merged or not understood, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Skipped {
    /// No more than this many are named.
    pub const MAX_NAMED: usize = 1000;

    /// A sentence for each of the notes and the named images.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        let images = self.named.iter().map(|(name, defect)| format!("left out {name}: {defect}"));
        self.notes.iter().cloned().chain(images)
    }

    pub(crate) fn add(&mut self, name: String, defect: String) {
        self.count += 1;
        if self.named.len() < Self::MAX_NAMED {
            self.named.push((name, defect));
        }
    }
}
