//! The library that stands between `mg` and the disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::log::{self, Event};
use super::program::{Environment, Place};
use crate::spawn;

/// The library, built.
pub(super) struct Library(PathBuf);

/// What it does.
#[derive(Clone, Copy)]
pub(super) enum Disturbance {
    /// It only writes down what happens.
    None,
    /// This call, from 1, fails with this error.
    Fail { call: usize, error: i32 },
    /// Files may grow by so many bytes.
    Room(usize),
}

impl Library {
    /// Builds it where it works.
    pub(super) fn build(root: &Path) -> Result<Option<Self>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        spawn::run(root, "cargo", &["build", "--locked", "--quiet", "-p", "faulty-disk"], &[])?;
        let path = spawn::target_dir(root)?.join("debug/libfaulty_disk.so");
        ensure!(path.is_file(), "cargo left no {}", path.display());
        Ok(Some(Library(path)))
    }

    /// The environment of a call in a place; its log begins anew.
    pub(super) fn environment(&self, place: &Place, disturbance: Disturbance) -> Result<Environment> {
        let log = log_of(place);
        if log.exists() {
            std::fs::remove_file(&log).with_context(|| format!("cannot delete {}", log.display()))?;
        }
        let mut environment: Environment = vec![
            ("LD_PRELOAD", self.0.clone().into()),
            ("FAULTY_DISK_ROOT", place.folder.clone().into()),
            ("FAULTY_DISK_LOG", log.into()),
        ];
        match disturbance {
            Disturbance::None => {}
            Disturbance::Fail { call, error } => {
                environment.push(("FAULTY_DISK_FAIL", format!("{call} {error}").into()));
            }
            Disturbance::Room(bytes) => {
                environment.push(("FAULTY_DISK_ROOM", bytes.to_string().into()));
            }
        }
        Ok(environment)
    }
}

/// What the last call in a place did.
pub(super) fn events(place: &Place) -> Result<Vec<Event>> {
    let path = log_of(place);
    let bytes = std::fs::read(&path).with_context(|| {
        format!("no log at {}: is `mg` linked with the C library, so that it can be watched?", path.display())
    })?;
    log::parse(&bytes)
}

fn log_of(place: &Place) -> PathBuf {
    place.beside.join("log")
}
