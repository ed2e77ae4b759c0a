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

/// A file of more bytes is no model: 4 GiB.
pub const MAX_MODEL: u64 = 1 << 32;

/// Reads the model file at `path`, or the one in a run directory: its bytes.
///
/// # Errors
/// Names the file, when it cannot be read, or has more bytes than [`MAX_MODEL`].
pub fn read_model(path: &Path) -> Result<Vec<u8>> {
    let file = model_file(path);
    let bytes = fs::metadata(&file).map_err(|e| Error::io("read", &file, e))?.len();
    if bytes > MAX_MODEL {
        let reason = format!("it has {bytes} bytes, and a model at most {MAX_MODEL}");
        return Err(Error::Format { path: file, what: "model", reason });
    }
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
