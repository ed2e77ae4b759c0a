//! What the library wrote down; `tests/faulty-disk/src/log.rs` says in which form.

use anyhow::{Context, Result};

/// A call that the program made.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    /// The file's number on the disk, 0 of calls that take paths.
    pub(super) file: u64,
    pub(super) path: String,
    /// An offset, a length, another path.
    pub(super) more: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Open,
    New,
    Read,
    Write,
    Cut,
    Sync,
    Close,
    Rename,
    Unlink,
    Mkdir,
    Rmdir,
    Symlink,
    Denied,
    Failed,
}

use EventKind::{
    Close, Cut, Denied, Failed, Mkdir, New, Open, Read, Rename, Rmdir, Symlink, Sync, Unlink, Write,
};

const KINDS: [(&str, EventKind); 14] = [
    ("open", Open),
    ("new", New),
    ("read", Read),
    ("write", Write),
    ("cut", Cut),
    ("sync", Sync),
    ("close", Close),
    ("rename", Rename),
    ("unlink", Unlink),
    ("mkdir", Mkdir),
    ("rmdir", Rmdir),
    ("symlink", Symlink),
    ("denied", Denied),
    ("failed", Failed),
];

impl Event {
    /// The call in words.
    pub(super) fn describe(&self) -> String {
        let name = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("?", |(name, _)| name);
        let path = if self.path.is_empty() { "the folder itself" } else { &self.path };
        match (self.kind, self.more.as_str()) {
            (Rename, to) => format!("{name} of {path} to {to}"),
            (Write, at) => format!("{name} of {} bytes at {at} of {path}", self.bytes.len()),
            _ => format!("{name} of {path}"),
        }
    }

    /// Whether something on the disk is another after the call than before.
    pub(super) fn alters(&self) -> bool {
        match self.kind {
            Open => self.more == "cut",
            Read | Close | Denied | Failed => false,
            New | Write | Cut | Sync | Rename | Unlink | Mkdir | Rmdir | Symlink => true,
        }
    }

    /// Whether the library let the call fail.
    pub(super) fn is_denied(&self) -> bool {
        self.kind == Denied
    }

    /// The number that `more` is.
    pub(super) fn number(&self) -> Result<usize> {
        self.more.parse().with_context(|| format!("the log has no number for {}", self.describe()))
    }
}

/// The events of a log, in their order.
pub(super) fn parse(mut log: &[u8]) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    while !log.is_empty() {
        let (event, rest) = record(log).with_context(|| format!("record {} of the log", events.len() + 1))?;
        events.push(event);
        log = rest;
    }
    Ok(events)
}

fn record(log: &[u8]) -> Result<(Event, &[u8])> {
    let end = log.iter().position(|&byte| byte == b'\n').context("it has no end")?;
    let line = String::from_utf8_lossy(&log[..end]).into_owned();
    let words: Vec<&str> = line.split('\t').collect();
    let [kind, file, path, more, length] = words.as_slice() else {
        anyhow::bail!("it has not five parts: {line}")
    };
    let kind = KINDS.iter().find(|(name, _)| name == kind).context("it is of an unknown kind")?.1;
    let (file, length) = (file.parse()?, length.parse::<usize>()?);
    let bytes = log.get(end + 1..end + 1 + length).context("its bytes are cut")?.to_vec();
    let rest = log.get(end + 2 + length..).context("its end is cut")?;
    Ok((Event { kind, file, path: (*path).to_owned(), more: (*more).to_owned(), bytes }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_look_like_records() {
        let log = b"write\t7\ta b\t12\t5\nx\n\ty\n\nrename\t0\ta\tc\t0\n\n";
        let events = parse(log).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].kind, events[0].file, events[0].number().unwrap()), (Write, 7, 12));
        assert_eq!(events[0].bytes, b"x\n\ty\n");
        assert_eq!((events[1].path.as_str(), events[1].more.as_str()), ("a", "c"));
        assert!(parse(&log[..log.len() - 1]).is_err());
    }
}
