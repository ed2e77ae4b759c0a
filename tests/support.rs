use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Learns 16x16 images in about a second.
pub(crate) const TINY: &str = "
seed = 3
[model]
grids = [1, 4, 16]
width = 0.08
[chains]
steps = 4
[learn]
batch = 16
iterations = 12
[output]
checkpoint_every = 3
sheet_every = 6
sheet_images = 9
";

/// A folder to work in, with `tiny.toml`.
pub(crate) fn workplace() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("tiny.toml"), TINY).expect("a configuration");
    dir
}

/// `mg` with these words, in a folder.
pub(crate) fn mg(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mg"));
    command.args(words.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command
}

pub(crate) fn output(dir: &Path, words: &str) -> Output {
    mg(dir, words).output().expect("mg starts")
}

/// What a successful `mg` prints on standard output.
pub(crate) fn ok(dir: &Path, words: &str) -> String {
    let output = output(dir, words);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "mg {words}\n{stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a failing `mg` says: it ends with help, and nothing panics.
pub(crate) fn fails(dir: &Path, words: &str) -> String {
    let output = output(dir, words);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "mg {words} succeeded");
    assert!(!stderr.contains("panicked"), "mg {words}\n{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("help: "), "mg {words}\n{stderr}");
    stderr
}

pub(crate) fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files of a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| !path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b"."));
    paths.sort();
    paths
}

/// What determines all that follows in a run: metrics, model and the newest checkpoint, to the byte.
pub(crate) fn state(run: &Path) -> Vec<Vec<u8>> {
    let newest = files(&run.join("checkpoints")).pop().expect("a checkpoint");
    vec![read(run.join("metrics.jsonl")), read(run.join("model.safetensors")), read(newest)]
}
