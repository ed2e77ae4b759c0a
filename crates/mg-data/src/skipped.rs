use serde::{Deserialize, Serialize};

/// The images that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first [`MAX_NAMED`](Skipped::MAX_NAMED) of them: name and defect.
    pub named: Vec<(String, String)>,
}

impl Skipped {
    /// No more than this many are named.
    pub const MAX_NAMED: usize = 1000;

    pub(crate) fn add(&mut self, name: String, defect: String) {
        self.count += 1;
        if self.named.len() < Self::MAX_NAMED {
            self.named.push((name, defect));
        }
    }
}
