//! How files of a run are written, whole and at once or line by line, and how lines are read. Every line of JSON ends with a
//! checksum of itself.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checksum::{opened_line, sealed_line};
use crate::{Error, Result};

/// Writes `bytes` to `path` so that a reader, and a machine that loses power, sees the old file or the new one whole.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    mg_files::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// A value as a line.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    sealed_line(&serde_json::to_string(value).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))) + "\n"
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
        match opened_line(line).map(|line| serde_json::from_str(&line)) {
            Some(Ok(line)) => lines.push(line),
            _ => unreadable.push(format!("{}, line {}", path.display(), number + 1)),
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
        let file = open(path)?;
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

    /// Opens `path` to add lines to those that it has. A last line that was not written to its end is cut off.
    pub(crate) fn open_at_end(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end as u64 + 1);
        let mut lines = LineFile { path: path.to_path_buf(), file, len: bytes.len() as u64 };
        if whole < lines.len {
            lines.truncate(whole)?;
        }
        Ok(lines)
    }

    pub(crate) fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| Error::io("cut", &self.path, e))?;
        self.len = len;
        Ok(())
    }

    /// Adds a line, or nothing.
    pub(crate) fn append(&mut self, value: &impl Serialize) -> Result<()> {
        let line = to_line(value);
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Of a line that the disk had no room for, a part may be there.
            let _ = self.file.set_len(self.len);
            return Err(Error::io("write", &self.path, error));
        }
        self.len += line.len() as u64;
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

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).open(path).map_err(|e| Error::io("open", path, e))
}
