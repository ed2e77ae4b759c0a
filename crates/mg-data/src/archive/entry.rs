#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::readable::readable;

/// A file of an archive.
pub(super) struct Entry {
    pub(super) name: PathBuf,
    /// Where its bytes begin in the unpacked archive; of a zip archive its number.
    pub(super) at: u64,
    pub(super) size: u64,
    /// Whether it is none, but the name of another.
    pub(super) is_link: bool,
}

impl Entry {
    /// Its name as text.
    pub(super) fn shown(&self) -> String {
        readable(self.name.as_os_str())
    }
}

/// A path out of bytes, which may be no text.
pub(super) fn path_of(name: &[u8]) -> PathBuf {
    #[cfg(unix)]
    let path = std::ffi::OsStr::from_bytes(name).into();
    #[cfg(not(unix))]
    let path = crate::readable::readable_bytes(name).into();
    path
}
