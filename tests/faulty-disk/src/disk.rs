use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use libc::{ENOSPC, c_int};

use crate::log::{self, Record};
use crate::paths;
use crate::real;
use crate::settings::Settings;

/// The files below the folder, as the program has them open, and what is to happen to them.
pub(crate) struct Disk {
    settings: Settings,
    log: Option<c_int>,
    open: BTreeMap<c_int, Open>,
    /// Calls so far.
    calls: u64,
    /// Whether the last of them fails by our will.
    is_denied: bool,
    /// Bytes that files have grown by.
    used: i64,
}

/// An open file or folder.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) path: Vec<u8>,
    /// Its number on the disk.
    pub(crate) number: u64,
    /// Whether every write goes to its end.
    pub(crate) is_appended: bool,
}

static DISK: LazyLock<Option<Mutex<Disk>>> = LazyLock::new(|| {
    let settings = Settings::read()?;
    let log = settings.log.as_deref().and_then(real::open_log);
    Some(Mutex::new(Disk { settings, log, open: BTreeMap::new(), calls: 0, is_denied: false, used: 0 }))
});

impl Disk {
    /// The disk, to which calls come one after another; `None` where nothing is to happen.
    pub(crate) fn lock() -> Option<MutexGuard<'static, Disk>> {
        Some(DISK.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The disk, and an open file if that is below the folder.
    pub(crate) fn with_open(file: c_int) -> Option<(MutexGuard<'static, Disk>, Open)> {
        let disk = Disk::lock()?;
        let open = disk.open.get(&file)?.clone();
        Some((disk, open))
    }

    /// The disk, and a path below the folder.
    pub(crate) fn with_path(path: &[u8]) -> Option<(MutexGuard<'static, Disk>, Vec<u8>)> {
        let disk = Disk::lock()?;
        let path = paths::below(&disk.settings.root, path)?;
        Some((disk, path))
    }

    /// A path below the folder, empty where it is elsewhere.
    pub(crate) fn below(&self, path: &[u8]) -> Vec<u8> {
        paths::below(&self.settings.root, path).unwrap_or_default()
    }

    /// Counts a call: the error that it shall fail with, which may be that there is no room for what it needs.
    pub(crate) fn deny(&mut self, has_room: bool) -> Option<c_int> {
        self.calls += 1;
        let fault = self.settings.fault.filter(|(call, _)| *call == self.calls).map(|(_, error)| error);
        let error = fault.or((!has_room).then_some(ENOSPC));
        self.is_denied = error.is_some();
        error
    }

    /// Whether there is room for another byte.
    pub(crate) fn has_room(&self) -> bool {
        self.settings.room.is_none_or(|room| self.used < room)
    }

    /// How many of `count` bytes there is room for, at an offset of a file of this length.
    pub(crate) fn room_for(&self, count: usize, at: i64, length: i64) -> usize {
        let Some(room) = self.settings.room else { return count };
        let grows = (at + count as i64 - length).max(0);
        let lacks = (grows - (room - self.used).max(0)).max(0);
        count - (lacks as usize).min(count)
    }

    /// A file grew, or shrank.
    pub(crate) fn grew(&mut self, bytes: i64) {
        self.used += bytes;
    }

    pub(crate) fn opened(&mut self, file: c_int, open: Open) {
        self.open.insert(file, open);
    }

    pub(crate) fn closed(&mut self, file: c_int) {
        self.open.remove(&file);
    }

    /// Writes down a call that succeeded, or that it failed.
    pub(crate) fn note(&self, succeeded: bool, record: Record<'_>, bytes: &[u8]) {
        let Some(log) = self.log else { return };
        match succeeded {
            true => log::write(log, &record, bytes),
            false => {
                let kind = if self.is_denied { "denied" } else { "failed" };
                log::write(log, &Record { kind, ..record }, &[]);
            }
        }
    }
}
