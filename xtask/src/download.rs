//! Fetches data sets and weights, as `mg data fetch` does.

use std::path::Path;

use anyhow::Result;

use crate::spawn;

/// Fetch a data set, or weights: what `mg data fetch` does, and with its options.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// NAME|OWNER/NAME and options; `cargo xtask download --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<String>,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let mut words = vec!["run", "--release", "--quiet", "--locked", "-p", "mg-cli", "--", "data", "fetch"];
    words.extend(args.words.iter().map(String::as_str));
    spawn::run(root, "cargo", &words, &[]).map(drop)
}
