use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

const SESSIONS: &str = "sessions.jsonl";

impl RunRecord {
    /// Reads a run directory.
    ///
    /// # Errors
    /// When it holds no run, or its configuration cannot be read.
    pub fn read(methods: Methods, path: &Path) -> Result<Self> {
        let config = resolve(methods, &[Layer::file(&path.join("config.toml"))?])?;
        let metrics = fs::read_to_string(path.join("metrics.jsonl")).unwrap_or_default();
        let reports = metrics.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let rollbacks = metrics.matches("\"rolled back\"").count();
        let (seconds, sessions) = (seconds(path), read_sessions(path));
        Ok(RunRecord { path: path.to_path_buf(), config, reports, rollbacks, seconds, sessions })
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
        let path = run.join(SESSIONS);
        let line = serde_json::to_string(self).unwrap_or_default();
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path).map_err(|e| Error::io("open", &path, e));
        writeln!(file?, "{line}").map_err(|e| Error::io("write", &path, e))
    }

    /// Writes when this session, the last one of the run directory, ended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&self, run: &Path, end: u64) -> Result<()> {
        let mut sessions = read_sessions(run);
        if let Some(last) = sessions.last_mut().filter(|last| *last == self) {
            last.end = Some(end);
        }
        let lines = sessions.iter().map(|session| serde_json::to_string(session).unwrap_or_default() + "\n");
        super::write_atomically(&run.join(SESSIONS), lines.collect::<String>().as_bytes())
    }
}

/// The times file of a run directory.
pub fn times_path(run: &Path) -> PathBuf {
    run.join("times.jsonl")
}

/// Seconds that a run has taken up to each of its iterations, all sessions counted.
pub fn seconds(run: &Path) -> BTreeMap<u64, f64> {
    let text = fs::read_to_string(times_path(run)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some((line["iteration"].as_u64()?, line["seconds"].as_f64()?))).collect()
}

fn read_sessions(run: &Path) -> Vec<Session> {
    let text = fs::read_to_string(run.join(SESSIONS)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
