use std::env::var_os;
use std::os::unix::ffi::OsStringExt;

use libc::c_int;

/// What the environment says.
pub(crate) struct Settings {
    /// The folder whose files count, with a slash at its end.
    pub(crate) root: Vec<u8>,
    /// The number of the call that fails, and its error.
    pub(crate) fault: Option<(u64, c_int)>,
    /// Bytes that files may grow by.
    pub(crate) room: Option<i64>,
    /// The file of the log.
    pub(crate) log: Option<Vec<u8>>,
}

impl Settings {
    /// `None` where nothing is to happen.
    pub(crate) fn read() -> Option<Self> {
        let mut root = var_os("FAULTY_DISK_ROOT")?.into_vec();
        root.push(b'/');
        Some(Settings {
            root,
            fault: text("FAULTY_DISK_FAIL").and_then(|words| fault(&words)),
            room: text("FAULTY_DISK_ROOM").and_then(|bytes| bytes.parse().ok()),
            log: var_os("FAULTY_DISK_LOG").map(OsStringExt::into_vec),
        })
    }
}

fn text(name: &str) -> Option<String> {
    var_os(name)?.into_string().ok()
}

fn fault(words: &str) -> Option<(u64, c_int)> {
    let (call, error) = words.split_once(' ')?;
    Some((call.parse().ok()?, error.parse().ok()?))
}
