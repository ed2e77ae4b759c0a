//! Configurations, and the hub's JSON.

use mg_baselines::METHODS;
use mg_train::config::presets;
use readers::LOCKED;
use serde_json::json;

use crate::Input;

/// What stands behind `--set`.
const ASSIGNMENTS: [&str; 10] = [
    "learn.batch=32",
    "learn.rate=[1e-3, 0.002, 3]",
    "data.source=some/folder",
    "data.class=each",
    "chains.start=[\"coarser\", \"data\", \"persistent\"]",
    "model.nets=[[[8, 3, 1]], [[8, 3, 2], [16, 3, 1]], [[8, 5, 2]]]",
    "method=dcgan",
    "chains={steps = 3, sampler = \"hmc\"}",
    "seed=18446744073709551615",
    "output={}",
];

/// What the hub says of a commit, of a list of files, of a missing repository.
const ANSWERS: [(&str, &str); 4] = [
    (
        "commit",
        r#"{"id":"some-body/some-set","sha":"0123456789abcdef0123456789abcdef01234567","private":false}"#,
    ),
    (
        "files",
        r#"[{"type":"directory","path":"data"},{"type":"file","oid":"1","size":3,"path":"data/train-0.parquet"},{"type":"file","path":"README.md"}]"#,
    ),
    ("leads-out", r#"[{"type":"file","path":"../../etc/name"},{"type":"file","path":"/a\\b\u0000"}]"#),
    ("error", r#"{"error":"Repository not found"}"#),
];

pub(crate) fn all() -> Vec<Input> {
    let presets = presets(METHODS).map(|preset| {
        // The values alone: comments teach a fuzzer nothing.
        let values = preset.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let text = values.collect::<Vec<_>>().join("\n");
        ("config", format!("{}.toml", preset.name), text.into_bytes())
    });
    let assignments = ASSIGNMENTS.iter().enumerate();
    let assignments = assignments.map(|(i, text)| ("assignment", format!("{i}"), text.as_bytes().to_vec()));
    let answers = ANSWERS.map(|(name, text)| ("hub", format!("{name}.json"), text.as_bytes().to_vec()));
    let files = json!({
        "data/train-0.parquet": { "bytes": 3, "digest": format!("sha256:{}", "0a".repeat(32)) },
        "README.md": { "bytes": 0, "digest": format!("git:{}", "1b".repeat(20)) },
    });
    let lock = json!({ LOCKED: files }).to_string().into_bytes();
    let more = [("lock", "two-files.json".into(), lock), ("lock", "empty.json".into(), b"{}".to_vec())];
    presets.chain(assignments).chain(answers).chain(more).collect()
}
