//! A program that measures: ours or the peer's.

use std::path::Path;

use anyhow::{Context, Result};

use super::sample::Sample;
use crate::spawn;

/// A program that understands the options of one of our examples and prints its JSON line.
pub(super) struct Side {
    pub(super) name: &'static str,
    program: String,
    /// What comes before the options: a script, and options of its own.
    words: Vec<String>,
}

impl Side {
    /// An example of this workspace, given by package and name, built now with these features.
    pub(super) fn ours(root: &Path, (package, example): (&str, &str), features: &[&str]) -> Result<Self> {
        let build = ["build", "--release", "--locked", "-p", package, "--example", example];
        spawn::run(root, "cargo", &[&build, features].concat(), &[])?;
        let examples = spawn::target_dir(root)?.join("release/examples");
        let program = examples.join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
        let program = program.to_str().context("the target folder is not UTF-8")?.to_string();
        Ok(Side { name: "ours", program, words: Vec::new() })
    }

    pub(super) fn peer(python: &str, script: &str, option: Option<&str>) -> Self {
        let words = std::iter::once(script).chain(option).map(str::to_string).collect();
        Side { name: "peer", program: python.to_string(), words }
    }

    /// One run.
    pub(super) fn measure(&self, root: &Path, options: &[String]) -> Result<Sample> {
        let args = self.words.iter().chain(options).map(String::as_str);
        let text = spawn::output(root, &self.program, &args.collect::<Vec<_>>())?;
        let named = || format!("the output of `{}`", self.program);
        let sample = Sample::parse(&text).with_context(named)?;
        sample.check_settings(options).with_context(named)?;
        Ok(sample)
    }
}
