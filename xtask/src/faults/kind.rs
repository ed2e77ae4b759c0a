use std::path::Path;

use anyhow::Result;

/// A kind of faults: numbered cases, each of which is tried by itself.
pub(super) trait Kind: Sync {
    /// How many there are.
    fn cases(&self) -> usize;

    /// What happens in a case.
    fn describe(&self, case: usize) -> String;

    /// Tries a case in an empty folder, and says in a few words how it ended, the same words for all cases that ended alike.
    ///
    /// # Errors
    /// When something was lost, left over, or not said.
    fn check(&self, case: usize, folder: &Path) -> Result<&'static str>;
}
