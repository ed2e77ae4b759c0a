use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use super::server::{Loopback, State, Stored};
use super::tree::{Entry, Tree};

/// Hubs on the loopback address that nobody uses at the moment. One is never stopped, so they are used again.
#[derive(Default)]
pub(super) struct Hubs(Mutex<Vec<Loopback>>);

/// A hub for one case.
pub(super) struct Hub<'a> {
    hubs: &'a Hubs,
    loopback: Loopback,
}

/// The set that is fetched.
const SET: &str = "some-one/images";
/// Its file.
const FILE: &str = "train-images-idx3-ubyte";
const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";
/// The repository that is published to.
const MODEL: &str = "me/faces";

impl Hubs {
    /// A hub that holds one set, of one file, and no model.
    pub(super) fn with(&self, file: Vec<u8>) -> Hub<'_> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let loopback = free.unwrap_or_else(Loopback::start);
        *loopback.state() = State::default();
        loopback.put(&format!("datasets/{SET}"), COMMIT, FILE, file, true);
        Hub { hubs: self, loopback }
    }
}

impl Hub<'_> {
    /// Its address.
    pub(super) fn endpoint(&self) -> &str {
        &self.loopback.endpoint
    }

    /// Fails when a commit holds some files of what is published and not all, or when, at the end, no commit holds them.
    pub(super) fn check_published(&self, copy: &Tree, is_the_end: bool) -> Result<()> {
        let state = self.loopback.state();
        let commits = state.trees.iter().filter(|((route, _), files)| route == MODEL && !files.is_empty());
        let mut is_there = false;
        for ((_, commit), files) in commits {
            let entry = |stored: &Stored| Entry::File(stored.bytes.to_vec());
            let found: Tree = files.iter().map(|(path, stored)| (path.clone(), entry(stored))).collect();
            ensure!(found == *copy, "commit {commit} of {MODEL} does not hold what was to be published");
            is_there = true;
        }
        ensure!(is_there || !is_the_end, "nothing was published");
        Ok(())
    }
}

impl Drop for Hub<'_> {
    fn drop(&mut self) {
        self.hubs.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.loopback.clone());
    }
}
