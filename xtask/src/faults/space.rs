//! The disk is too small: 41 sizes of it, from nothing to enough.

use std::path::Path;

use anyhow::{Result, ensure};

use super::disk::Disk;
use super::interposed::Disturbance;
use super::kind::Kind;
use super::workshop::{Prepared, Workshop};

/// Cases are scenarios on disks of several sizes.
pub(super) struct Space<'a> {
    workshop: &'a Workshop,
    /// With the bytes that it takes.
    prepared: Vec<(Prepared, usize)>,
}

const SIZES: usize = 41;
/// Bytes more than a command takes, so that the last file of no length has room.
const SPARE: usize = 4096;

impl<'a> Space<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let prepared = workshop.scenarios(|ready| {
            let mut disk = Disk::new(&ready.before);
            let (first, mut most) = (disk.bytes(), disk.bytes());
            for event in workshop.events(ready)? {
                disk.apply(&event)?;
                most = most.max(disk.bytes());
            }
            Ok(most - first + SPARE)
        })?;
        Ok(Space { workshop, prepared })
    }

    fn of(&self, case: usize) -> (&Prepared, usize, usize) {
        let (prepared, enough) = &self.prepared[case / SIZES];
        (prepared, enough * (case % SIZES) / (SIZES - 1), *enough)
    }
}

impl Kind for Space<'_> {
    fn cases(&self) -> usize {
        self.prepared.len() * SIZES
    }

    fn describe(&self, case: usize) -> String {
        let (prepared, bytes, enough) = self.of(case);
        format!("{}: room for {bytes} of {enough} bytes", prepared.scenario.name)
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let (prepared, bytes, enough) = self.of(case);
        let done = self.workshop.disturb(prepared, folder, Disturbance::Room(bytes))?;
        ensure!(done.succeeded || bytes < enough, "it failed, though there was room for all");
        Ok(if done.succeeded { "had room" } else { "refused and done again" })
    }
}
