//! How far a run is, as `mg runs show --json` says. Nobody here reads a run directory.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::spawn;

/// What is asked of a run; `mg` says more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct RunState {
    /// Iterations that it has done.
    pub(super) iteration: u64,
    /// Iterations that it is to do.
    pub(super) iterations: u64,
    /// Seconds that it has learned for, in all sessions.
    pub(super) seconds: f64,
    /// How often the guard took it back.
    pub(super) rollbacks: u64,
}

impl RunState {
    /// Asks `mg`.
    pub(super) fn ask(root: &Path, mg: &str, run: &Path) -> Result<Self> {
        let folder = run.to_str().with_context(|| format!("{} is no text", run.display()))?;
        Self::parse(&spawn::output(root, mg, &["runs", "show", folder, "--json"])?)
            .with_context(|| format!("`mg runs show {folder} --json`"))
    }

    fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("printed something else than the state of a run")
    }

    /// Whether it has done all its iterations.
    pub(super) fn is_whole(&self) -> bool {
        self.iteration >= self.iterations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{
        "iteration": 340, "iterations": 400, "seconds": 301.7, "rollbacks": 1, "run": "digits",
        "config": { "model": { "grids": [1, 4, 16, 64], "width": 0.5 }, "learn": { "iterations": 400, "rate": 0.001 } }
    }"#;

    #[test]
    fn what_mg_says_of_a_run_is_read() {
        let state = RunState::parse(SAMPLE).unwrap();
        assert_eq!(state, RunState { iteration: 340, iterations: 400, seconds: 301.7, rollbacks: 1 });
        assert!(!state.is_whole());
        assert!(RunState { iteration: 400, ..state }.is_whole());
    }

    #[test]
    fn something_else_is_an_error() {
        for text in ["", "iteration 340 of 400", "{}", &SAMPLE.replace("seconds", "time")] {
            assert!(RunState::parse(text).is_err(), "{text}");
        }
    }
}
