use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use mg_model::{Model, open};

use super::MODEL;
use crate::{Error, Methods, Result, kinds};

/// The file of the model at `path`: in a run directory its own, else the path itself.
pub fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() }
}

/// Reads the model file at `path`, or the one in a run directory: its bytes.
///
/// # Errors
/// Names the file, when it cannot be read.
pub fn read_model(path: &Path) -> Result<Vec<u8>> {
    let file = model_file(path);
    fs::read(&file).map_err(|e| Error::io("read", &file, e))
}

/// The model in the bytes of the file at `path`, of any kind that these methods make.
///
/// # Errors
/// Names the file, when it is damaged, or of something else.
pub fn open_model(methods: Methods, path: &Path, bytes: &[u8], device: &Device) -> Result<Box<dyn Model>> {
    open(&kinds(methods), bytes, device).map_err(|error| Error::Format {
        path: model_file(path),
        what: "model",
        reason: error.to_string(),
    })
}
