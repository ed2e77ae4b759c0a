//! How files of a run are written, whole and at once or line by line, and how lines are read.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Writes `bytes` to `path` so that a reader, and a machine that loses power, sees the old file or the new one whole.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    mg_files::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// The lines of a file of JSON, none where there is no file. Lines that are not what they should be, as a machine that
/// loses power leaves them, are left out and named in `unreadable`.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path, unreadable: &mut Vec<String>) -> Vec<T> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                unreadable.push(format!("{}: {error}", path.display()));
            }
            return Vec::new();
        }
    };
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) => unreadable.push(format!("{}, line {}", path.display(), number + 1)),
        }
    }
    lines
}

/// A file of lines that can be cut back to an earlier length: what a resumed run writes follows what its checkpoint
/// knew.
#[derive(Debug)]
pub(crate) struct LineFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl LineFile {
    /// Opens `path` and cuts it to `len` bytes.
    pub(crate) fn open(path: &Path, len: u64) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path).map_err(|e| Error::io("open", path, e))?;
        let found = file.metadata().map_err(|e| Error::io("read the length of", path, e))?.len();
        if found < len {
            let reason =
                format!("it has {found} bytes, the checkpoint knew {len}; restore it, or start a new run");
            return Err(Error::Format { path: path.to_path_buf(), what: "list of metrics", reason });
        }
        let mut lines = LineFile { path: path.to_path_buf(), file, len };
        lines.truncate(len)?;
        Ok(lines)
    }

    pub(crate) fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| Error::io("cut", &self.path, e))?;
        self.len = len;
        Ok(())
    }

    pub(crate) fn append(&mut self, line: &str) -> Result<()> {
        let bytes = format!("{line}\n");
        self.file.write_all(bytes.as_bytes()).map_err(|e| Error::io("write", &self.path, e))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// All lines are on disk when this returns.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))
    }
}
