use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{CONFIG, METRICS, SESSIONS};
use super::lines::{LineFile, read_lines, to_line, write_atomically};
use super::times::read_times;
use crate::config::{Config, Layer, resolve};
use crate::{Error, Methods, Report, Result};

/// What a run directory tells of a run. Reading it disturbs no process that writes to it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The run directory.
    pub path: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// What its iterations looked like, in their order.
    pub reports: Vec<Report>,
    /// Times that it rolled back.
    pub rollbacks: usize,
    /// Seconds from the beginning, all sessions counted, at the end of iterations, by their number.
    pub seconds: BTreeMap<u64, f64>,
    /// What it was made with, one session after another.
    pub sessions: Vec<Session>,
    /// Files and lines that could not be read, and so do not count.
    pub unreadable: Vec<String>,
}

/// What one process made a run, or went on with it, with: a line of `sessions.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the program.
    pub version: String,
    /// Revision of its source, where that is known.
    pub revision: Option<String>,
    /// The processor.
    pub cpu: String,
    /// The device that computed.
    pub device: String,
    /// Threads.
    pub threads: usize,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Seconds since 1970, UTC, at its start.
    pub start: u64,
    /// The same at its end; `None` when it was killed, or is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// The event of a roll-back among the lines of `metrics.jsonl`.
pub(crate) const ROLLED_BACK: &str = "rolled back";

/// A line of `metrics.jsonl`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Report(Report),
    Event { event: String },
}

impl RunRecord {
    /// Reads a run directory.
    ///
    /// # Errors
    /// When it holds no run, or its configuration cannot be read.
    pub fn read(methods: Methods, path: &Path) -> Result<Self> {
        let config = resolve(methods, &[Layer::file(&path.join(CONFIG))?])?;
        let (mut reports, mut rollbacks, mut unreadable) = (Vec::new(), 0, Vec::new());
        for line in read_lines(&path.join(METRICS), &mut unreadable) {
            match line {
                Line::Report(report) => reports.push(report),
                Line::Event { event } => rollbacks += usize::from(event == ROLLED_BACK),
            }
        }
        let seconds = read_times(path, &mut unreadable);
        let sessions = read_lines(&path.join(SESSIONS), &mut unreadable);
        Ok(RunRecord { path: path.to_path_buf(), config, reports, rollbacks, seconds, sessions, unreadable })
    }

    /// Iterations done, as far as they were reported.
    pub fn iteration(&self) -> u64 {
        self.reports.last().map_or(0, |report| report.iteration)
    }

    /// Seconds that they took, all sessions counted.
    pub fn total_seconds(&self) -> Option<f64> {
        self.seconds.values().next_back().copied()
    }
}

impl Session {
    /// Adds this session to a run directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&self, run: &Path) -> Result<()> {
        LineFile::open_at_end(&run.join(SESSIONS))?.append(self)
    }

    /// Writes when this session ended, if it is the last one of the run directory.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn finish(&self, run: &Path, end: u64) -> Result<()> {
        let path = run.join(SESSIONS);
        let text = fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        let Some(before) = text.strip_suffix(&to_line(self)) else { return Ok(()) };
        let ended = Session { end: Some(end), ..self.clone() };
        write_atomically(&path, format!("{before}{}", to_line(&ended)).as_bytes())
    }
}
