//! Plots, drawn by the example `plot` of mg-figures: there is one way to plot in this project.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::spawn;

/// Draws panels, as the example takes them, to a file.
pub(super) fn draw(root: &Path, panels: &Value, file: &Path) -> Result<()> {
    let file = file.to_str().context("the name of the plot is not UTF-8")?;
    let example =
        ["run", "--release", "--locked", "--quiet", "-p", "mg-figures", "--example", "plot", "--", file];
    spawn::feed(root, "cargo", &example, &panels.to_string())
}
