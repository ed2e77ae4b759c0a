//! Every call by which `mg` reads and writes its files fails once.

use std::path::Path;

use anyhow::Result;

use super::interposed::Disturbance;
use super::kind::Kind;
use super::log::{Event, EventKind};
use super::workshop::{Prepared, Workshop};

/// Cases are calls of scenarios with the errors that they can fail with.
pub(super) struct Calls<'a> {
    workshop: &'a Workshop,
    prepared: Vec<(Prepared, Vec<Event>)>,
    cases: Vec<Case>,
}

struct Case {
    scenario: usize,
    /// Number of the call, from 0.
    call: usize,
    error: Error,
}

/// A name and a number.
type Error = (&'static str, i32);

// The numbers that Linux has for them everywhere.
const INPUT_OUTPUT: Error = ("EIO", 5);
const TOO_MANY_OPEN: Error = ("EMFILE", 24);
const NO_SPACE: Error = ("ENOSPC", 28);

impl<'a> Calls<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let prepared = workshop.scenarios(|ready| workshop.events(ready))?;
        let mut cases = Vec::new();
        for (scenario, (_, events)) in prepared.iter().enumerate() {
            for (call, event) in events.iter().enumerate() {
                cases.extend(errors(event.kind).iter().map(|&error| Case { scenario, call, error }));
            }
        }
        Ok(Calls { workshop, prepared, cases })
    }
}

fn errors(kind: EventKind) -> &'static [Error] {
    use EventKind::{
        Close, Cut, Denied, Failed, Mkdir, New, Open, Read, Rename, Rmdir, Symlink, Sync, Unlink, Write,
    };
    match kind {
        Open | Failed => &[INPUT_OUTPUT, TOO_MANY_OPEN],
        New => &[INPUT_OUTPUT, TOO_MANY_OPEN, NO_SPACE],
        Write | Mkdir | Symlink => &[INPUT_OUTPUT, NO_SPACE],
        Read | Cut | Sync | Close | Rename | Unlink | Rmdir | Denied => &[INPUT_OUTPUT],
    }
}

impl Kind for Calls<'_> {
    fn cases(&self) -> usize {
        self.cases.len()
    }

    fn describe(&self, case: usize) -> String {
        let Case { scenario, call, error } = &self.cases[case];
        let (prepared, events) = &self.prepared[*scenario];
        let (name, what) = (prepared.scenario.name, events[*call].describe());
        format!("{name}: call {}, {what}, fails with {}", call + 1, error.0)
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let Case { scenario, call, error } = &self.cases[case];
        let disturbance = Disturbance::Fail { call: call + 1, error: error.1 };
        let done = self.workshop.disturb(&self.prepared[*scenario].0, folder, disturbance)?;
        Ok(match (done.is_disturbed, done.succeeded) {
            (false, _) => "not reached",
            (true, true) => "done in spite of it",
            (true, false) => "refused and done again",
        })
    }
}
