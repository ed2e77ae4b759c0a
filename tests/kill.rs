//! A run that is killed at any moment goes on as if nothing had happened.

use std::time::Duration;

use mg_random::Key;

use crate::support::{mg, ok, state, workplace};

/// Kills of one run; between them it does none or one iteration more, and a random part of the next.
const KILLS: u64 = 50;

#[test]
fn fifty_kills_leave_the_same_bits() {
    let dir = workplace();
    let dir = dir.path();
    let sets = "--set output.checkpoint_every=1 --set output.keep_checkpoints=2 --set chains.start=[\"coarser\",\"persistent\"]";
    let sets = format!("{sets} --steps 60 --threads 2");
    ok(dir, &format!("train tiny.toml --run whole {sets}"));
    let lines = || {
        std::fs::read(dir.join("killed/metrics.jsonl")).map_or(0, |text| text.split(|b| *b == b'\n').count())
    };
    let mut moments = Key::new(50).stream();
    let mut resume = "tiny.toml";
    let mut killed = 0;
    for _ in 0..KILLS {
        let mut child = mg(dir, &format!("train {resume} --run killed {sets}"));
        let mut child =
            child.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
        let enough = lines() + (2.0 * moments.uniform()) as usize;
        while lines() < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_secs_f32(0.02 * moments.uniform()));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap(); // SIGKILL on Unix
        child.wait().unwrap();
        if dir.join("killed/config.toml").exists() {
            resume = "--resume";
        }
    }
    assert!(killed >= 40, "only {killed} of {KILLS} runs were alive when killed");
    ok(dir, &format!("train --resume --run killed {sets}"));
    assert!(state(&dir.join("whole")) == state(&dir.join("killed")));
}
