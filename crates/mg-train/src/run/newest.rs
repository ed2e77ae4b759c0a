use std::fs;
use std::path::{Path, PathBuf};

use super::files::{CONFIG, METRICS};
use crate::{Error, Result};

/// The run directories in a folder, by name.
///
/// # Errors
/// When the folder cannot be listed.
pub fn runs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.join(CONFIG).is_file());
    paths.sort();
    Ok(paths)
}

/// The run directory of a folder that was written to last.
pub fn newest(folder: &Path) -> Option<PathBuf> {
    let written = |path: &PathBuf| path.join(METRICS).metadata().and_then(|m| m.modified()).ok();
    let paths = runs(folder).ok()?.into_iter();
    paths.filter_map(|path| Some((written(&path)?, path))).max().map(|(_, path)| path)
}
