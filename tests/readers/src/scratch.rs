use std::fs;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

/// A folder for the files of one call, in memory where the system has such a place; deleted at the end.
pub(crate) struct Scratch(TempDir);

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
const PREFIX: &str = "readers-";

impl Scratch {
    pub(crate) fn new() -> Self {
        let folder = Builder::new().prefix(PREFIX).tempdir_in(MEMORY);
        let folder = folder.or_else(|_| Builder::new().prefix(PREFIX).tempdir());
        Scratch(folder.expect("no folder to write to"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("no room to write to");
        path
    }
}
