use std::path::Path;

use mg_model::DataId;

use crate::config::{Config, pointer};
use crate::run::checkpoint::CheckpointHeader;
use crate::{Error, Result};

/// Refuses a checkpoint of another configuration or of other images.
pub(crate) fn check_same(
    run: &Path,
    header: &CheckpointHeader,
    config: &Config,
    found: &DataId,
) -> Result<()> {
    let refuse = |reason: String| Error::Run { path: run.to_path_buf(), reason };
    let method = header.config["method"].as_str().unwrap_or(config.method.name);
    if method != config.method.name {
        let own = config.method.name;
        return Err(refuse(format!(
            "its checkpoint is of the method {method}, its configuration of {own}; put the run's own checkpoint back, or start a new run"
        )));
    }
    let before = Config::of_method(config.method, &header.config)?;
    if let Some(key) = changed_key(&before, config) {
        return Err(refuse(format!(
            "its checkpoint was made with another {key}; a run keeps its configuration. Undo the change, or start a new run"
        )));
    }
    if found.sha256 != header.data.sha256 {
        let (ours, theirs) = (found.images, header.data.images);
        return Err(refuse(format!(
            "it was learned from {theirs} other images (SHA-256 {}), not these {ours} (SHA-256 {}); give the same ones with --data",
            header.data.sha256, found.sha256
        )));
    }
    Ok(())
}

/// The first key that may not change within a run but did.
fn changed_key(before: &Config, now: &Config) -> Option<String> {
    let free = |key: &str| {
        key.starts_with("output.")
            || key.starts_with("guard.")
            || matches!(key, "learn.iterations" | "data.source" | "data.split")
    };
    let (before, values) = (before.values(), now.values());
    let changed = |key: &str| before.pointer(&pointer(key)) != values.pointer(&pointer(key));
    now.keys().into_iter().map(|key| key.name).find(|key| !free(key) && changed(key))
}
