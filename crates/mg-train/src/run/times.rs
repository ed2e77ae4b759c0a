use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::TIMES;
use super::lines::{LineFile, read_lines};
use crate::Result;

/// When iterations of a run were done, kept in `times.jsonl`.
#[derive(Debug)]
pub struct Times(LineFile);

/// A line of it.
#[derive(Serialize, Deserialize)]
struct Time {
    iteration: u64,
    seconds: f64,
}

impl Times {
    /// Goes on with the times of a run directory.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(run: &Path) -> Result<Self> {
        LineFile::open_at_end(&run.join(TIMES)).map(Times)
    }

    /// Adds how many seconds a run has taken up to the end of an iteration, all sessions counted.
    ///
    /// # Errors
    /// When the line cannot be written; then no part of it is there.
    pub fn keep(&mut self, iteration: u64, seconds: f64) -> Result<()> {
        self.0.append(&Time { iteration, seconds })
    }
}

/// Seconds that a run has taken up to each of its iterations, all sessions counted. Lines that cannot be read do not count.
pub fn seconds(run: &Path) -> BTreeMap<u64, f64> {
    read_times(run, &mut Vec::new())
}

/// The same, with the names of lines that cannot be read.
pub(crate) fn read_times(run: &Path, unreadable: &mut Vec<String>) -> BTreeMap<u64, f64> {
    let times: Vec<Time> = read_lines(&run.join(TIMES), unreadable);
    times.into_iter().map(|time| (time.iteration, time.seconds)).collect()
}
