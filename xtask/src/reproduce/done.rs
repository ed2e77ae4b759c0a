//! What a finished stage leaves beside its results.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How a result came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The command line.
    pub(super) command: String,
    pub(super) seconds: f64,
    /// Of a training.
    pub(super) iterations: Option<u64>,
    /// How often the guard took a training back.
    pub(super) rollbacks: Option<u64>,
    /// What `mg --version` said.
    pub(super) version: String,
    /// Of the code that ran.
    pub(super) revision: String,
    /// Whether that code held changes that are in no commit.
    pub(super) is_dirty: bool,
    /// What it ran on.
    pub(super) machine: String,
}

const FILE: &str = "done.json";

impl Done {
    /// What is in the folder of a stage, if the stage came to its end.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Writes it there, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let part = path.with_extension("part");
        let fail = || format!("cannot write {}", path.display());
        fs::write(&part, serde_json::to_string_pretty(self)?).with_context(fail)?;
        fs::rename(&part, &path).with_context(fail)
    }

    /// The command with what it took, as a comment.
    pub(super) fn line(&self) -> String {
        let Done { command, seconds, revision, .. } = self;
        let iterations = self.iterations.map_or(String::new(), |n| format!("{n} iterations, "));
        let rollbacks = match self.rollbacks {
            None | Some(0) => String::new(),
            Some(n) => format!("taken back {n} times, "),
        };
        format!("{command}  # {seconds:.0} s, {iterations}{rollbacks}{revision}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Done::read(folder.path()), None);
        let done = Done { command: "mg train".to_owned(), iterations: Some(7), ..Done::default() };
        done.write(folder.path()).unwrap();
        assert_eq!(Done::read(folder.path()), Some(done));
        assert!(!folder.path().join("done.part").exists());
    }

    #[test]
    fn a_command_stands_beside_what_it_took() {
        let done = Done {
            command: "mg train".to_owned(),
            seconds: 301.7,
            revision: "r-dirty".to_owned(),
            ..Done::default()
        };
        assert_eq!(done.line(), "mg train  # 302 s, r-dirty");
        let done = Done { iterations: Some(340), rollbacks: Some(2), ..done };
        assert_eq!(done.line(), "mg train  # 302 s, 340 iterations, taken back 2 times, r-dirty");
        assert_eq!(Done { rollbacks: Some(0), ..done }.line(), "mg train  # 302 s, 340 iterations, r-dirty");
    }
}
