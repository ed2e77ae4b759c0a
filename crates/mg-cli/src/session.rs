//! What a run is made with, written beside it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use mg_train::Session;

/// Writes that a process begins to work on a run, on this device.
pub(crate) fn begin(run: &Path, device: String) -> Result<Session> {
    let session = Session {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("MG_REVISION").filter(|revision| !revision.is_empty()).map(str::to_owned),
        cpu: cpu(),
        device,
        threads: rayon::current_num_threads(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        start: now(),
        end: None,
    };
    session.begin(run)?;
    Ok(session)
}

/// Writes that the process ends its work on the run.
pub(crate) fn finish(session: &Session, run: &Path) -> Result<()> {
    Ok(session.finish(run, now())?)
}

#[allow(clippy::disallowed_methods, reason = "a front end: the time stands beside the run, not in it")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The processor's name, where the system tells it.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map(|name| name.trim_start_matches([' ', '\t', ':']).trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
