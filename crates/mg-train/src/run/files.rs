//! Names of the files and folders in a run directory.

/// Locked by whoever writes to the run.
pub(crate) const LOCK: &str = ".lock";
/// The resolved configuration.
pub(crate) const CONFIG: &str = "config.toml";
/// A line of JSON per iteration, and per roll-back.
pub(crate) const METRICS: &str = "metrics.jsonl";
/// When iterations were done.
pub(crate) const TIMES: &str = "times.jsonl";
/// What the run was made with, a line per process.
pub(crate) const SESSIONS: &str = "sessions.jsonl";
/// States to go on from, a file each.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// Images from scratch, a file per iteration that is due.
pub(crate) const SHEETS: &str = "sheets";
/// The model, ready to sample from.
pub const MODEL: &str = "model.safetensors";
