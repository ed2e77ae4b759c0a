//! A method that Multigrid has never heard of has all of the product: it trains, survives being killed, is sampled, scored,
//! published and pulled.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

#[path = "../../../../crates/mg-hub/tests/it/server.rs"]
mod server;

const TRAIN: &str = "train --set method=mean-image --set learn.batch=16 --set output.checkpoint_every=2 --set output.sheet_every=8 --set output.sheet_images=4";

fn mg(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mg-mean"));
    command.args(words.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command
}

fn ok(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}\n{stderr}");
    String::from_utf8(output.stdout).expect("text")
}

fn fails(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !stderr.contains("panicked"), "{command:?}\n{stderr}");
    stderr
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Metrics, model and newest checkpoint.
fn state(run: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let newest = entries.map(|entry| entry.unwrap().path()).max().expect("a checkpoint");
    vec![read(run.join("metrics.jsonl")), read(run.join("model.safetensors")), read(newest)]
}

#[test]
fn it_trains_and_goes_on_to_the_same_bits_after_being_killed() {
    let dir = folder();
    let dir = dir.path();
    ok(&mut mg(dir, &format!("{TRAIN} --steps 2000 --run whole")));
    let mut begin = format!("{TRAIN} --steps 2000 --run killed");
    let mut killed = 0;
    for round in 1..=8u64 {
        let mut child =
            mg(dir, &begin).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(150 + 70 * round));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if dir.join("killed/config.toml").exists() {
            begin = "train --resume --run killed".into();
        }
    }
    assert!(killed > 0, "every run had ended before it was killed");
    ok(&mut mg(dir, &begin));
    assert!(state(&dir.join("whole")) == state(&dir.join("killed")));
}

#[test]
fn it_is_sampled_scored_shown_and_says_what_it_cannot_do() {
    let dir = folder();
    let dir = dir.path();
    ok(&mut mg(dir, &format!("{TRAIN} --steps 8 --run run")));
    assert!(dir.join("run/sheets/00000008.png").exists());
    ok(&mut mg(dir, "sample run -n 12 --seed 3 --out a"));
    ok(&mut mg(dir, "sample run -n 3 --seed 3 --out b --threads 1"));
    for name in ["00000.png", "00002.png"] {
        assert_eq!(read(dir.join("a").join(name)), read(dir.join("b").join(name)));
    }
    let scores = ok(&mut mg(dir, "eval --input run --ref a -n 12 --fid --json --side 16"));
    let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
    assert!(scores["frechet_distance"].as_f64().is_some_and(f64::is_finite), "{scores}");
    let shown = ok(&mut mg(dir, "runs show run --json"));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((shown["iteration"].as_u64(), shown["method"].as_str()), (Some(8), Some("mean-image")));
    assert_eq!(shown["config"]["mean"]["side"], 16);
    assert!(ok(&mut mg(dir, "runs plot run")).contains("change.svg"));
    assert!(ok(&mut mg(dir, "config explain mean --method mean-image")).contains("from 1 to 64"));
    let error = fails(&mut mg(dir, "inpaint run --input portraits"));
    assert!(error.contains("a mean-image model cannot fill in hidden pixels; it can draw images"), "{error}");
    let error = fails(&mut mg(dir, "ood run --in portraits --out a"));
    assert!(error.contains("cannot give energies"), "{error}");
    let error = fails(&mut mg(dir, &format!("{TRAIN} --set mean.noise=2 --run other")));
    assert!(error.contains("mean.noise is 2; it must be a number from 0 to 1"), "{error}");
}

#[test]
fn it_has_a_model_for_each_class_where_that_is_asked_for() {
    let dir = folder();
    let dir = dir.path();
    ok(&mut mg(dir, &format!("{TRAIN} --steps 4 --set data.class=each --run run")));
    assert!(fails(&mut mg(dir, "sample run -n 2 --out a")).contains("person, smiley"));
    ok(&mut mg(dir, "sample run -n 2 --class person --out a"));
    ok(&mut mg(dir, "sample run -n 2 --class smiley --out b"));
    assert_ne!(read(dir.join("a/00000.png")), read(dir.join("b/00000.png")));
}

#[test]
fn it_is_published_and_pulled() {
    let (loopback, here, elsewhere) = (server::Loopback::start(), folder(), folder());
    let (here, elsewhere) = (here.path(), elsewhere.path());
    ok(&mut mg(here, &format!("{TRAIN} --steps 4 --run run")));
    ok(&mut mg(here, "sample run -n 3 --seed 5 --out a"));
    let with_hub = |dir: &Path, words: &str| {
        let mut command = mg(dir, words);
        for name in ["HF_HUB_OFFLINE", "HF_HUB_CACHE", "HTTP_PROXY", "http_proxy"] {
            command.env_remove(name);
        }
        command.env("HF_ENDPOINT", &loopback.endpoint).env("HF_HOME", dir.join("home"));
        command.env("HF_TOKEN", "secret");
        command
    };
    ok(&mut with_hub(here, "publish run me/mean -n 4 --out copy"));
    ok(&mut with_hub(elsewhere, "sample hf:me/mean -n 3 --seed 5 --out a"));
    for name in ["00000.png", "00002.png"] {
        assert_eq!(read(here.join("a").join(name)), read(elsewhere.join("a").join(name)));
    }
    let card = String::from_utf8(read(here.join("copy/README.md"))).unwrap();
    assert!(card.contains("of the kind \"mean-image\"") && !card.contains("class Score"), "{card}");
    ok(&mut with_hub(here, "train copy/config.toml --run again --steps 1"));
}
