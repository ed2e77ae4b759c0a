//! The log: what the calls did, one record for each call, in their order.
//!
//! A record is a line `KIND FILE PATH MORE LENGTH`, with tabs between, then so many bytes, then a line feed. FILE is the
//! file's number on the disk, which it keeps under any name, or 0; PATH is below the root, and empty of the root itself.
//!
//! | kind | of | more | bytes |
//! |---|---|---|---|
//! | `open` | a file or folder that was there | `cut` if it was emptied | |
//! | `new` | a file that was not there | | |
//! | `read`, `close` | an open file | | |
//! | `write` | an open file | the offset | what was written |
//! | `cut` | an open file | its new length | |
//! | `sync` | an open file or folder | | |
//! | `rename` | a path | the new path | |
//! | `unlink`, `mkdir`, `rmdir` | a path | | |
//! | `symlink` | the path of the link | what it leads to | |
//! | `denied` | a path: the call failed by our will | | |
//! | `failed` | a path: the call failed for another reason | | |

use libc::c_int;

use crate::real;

/// A record without its bytes.
#[derive(Default)]
pub(crate) struct Record<'a> {
    pub(crate) kind: &'static str,
    pub(crate) file: u64,
    pub(crate) path: &'a [u8],
    pub(crate) more: &'a [u8],
}

/// Adds a record to a log.
pub(crate) fn write(log: c_int, record: &Record<'_>, bytes: &[u8]) {
    let Record { kind, file, path, more } = record;
    let (file, length) = (file.to_string(), bytes.len().to_string());
    let words: [&[u8]; 5] = [kind.as_bytes(), file.as_bytes(), path, more, length.as_bytes()];
    real::write_all(log, &[&words.join(&b'\t'), &b"\n"[..], bytes, b"\n"].concat());
}
