//! Runs calls of `mg`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::call::Call;
use super::code::Code;
use super::done::Done;
use super::run_state::RunState;
use crate::spawn;

/// What all calls are run with.
pub(super) struct Runner<'a> {
    pub(super) root: &'a Path,
    /// The program.
    pub(super) mg: &'a str,
    pub(super) code: &'a Code,
    pub(super) machine: &'a str,
    /// Whether trainings that were stopped go on, or begin anew.
    pub(super) resume: bool,
}

impl Runner<'_> {
    /// Runs a call within a time, and says whether it came to its end.
    pub(super) fn run(&self, call: &Call, left: Option<Duration>) -> Result<bool> {
        let done = if call.is_training() { self.train(call, left)? } else { Some(self.measure(call)?) };
        match done {
            Some(done) => done.write(&call.out).map(|()| true),
            None => Ok(false),
        }
    }

    fn measure(&self, call: &Call) -> Result<Done> {
        empty(&call.out)?;
        let seconds = self.spawn(&call.words)?;
        Ok(self.done(call, seconds))
    }

    /// `None` when the time was up before all iterations were done.
    fn train(&self, call: &Call, left: Option<Duration>) -> Result<Option<Done>> {
        let earlier = if self.resume { self.begun(&call.out)? } else { None };
        let mut words = match &earlier {
            Some(state) => resumed(&call.words, state.seconds),
            None => {
                empty(&call.out)?;
                call.words.clone()
            }
        };
        let is_cut = left.is_some_and(|left| limit(&mut words, left));
        let seconds = self.spawn(&words)? + earlier.map_or(0.0, |state| state.seconds);
        let state = self.ask(&call.out)?;
        if is_cut && !state.is_whole() {
            return Ok(None);
        }
        let done = self.done(call, seconds);
        Ok(Some(Done { iterations: Some(state.iteration), rollbacks: Some(state.rollbacks), ..done }))
    }

    /// How far a training is that was begun; `None` of an empty folder.
    fn begun(&self, run: &Path) -> Result<Option<RunState>> {
        let is_empty = fs::read_dir(run).map_or(true, |mut entries| entries.next().is_none());
        if is_empty {
            return Ok(None);
        }
        let again = || format!("cannot go on with {}; without --resume it begins anew", run.display());
        self.ask(run).with_context(again).map(Some)
    }

    fn ask(&self, run: &Path) -> Result<RunState> {
        RunState::ask(self.root, self.mg, run)
    }

    /// Runs `mg` and returns the seconds it took.
    fn spawn(&self, words: &[String]) -> Result<f64> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        spawn::run(self.root, self.mg, &words, &[])
    }

    fn done(&self, call: &Call, seconds: f64) -> Done {
        Done {
            command: call.line(),
            seconds,
            iterations: None,
            rollbacks: None,
            version: self.code.version.clone(),
            revision: self.code.label(),
            is_dirty: self.code.is_dirty(),
            machine: self.machine.to_owned(),
        }
    }
}

/// Makes a folder with nothing in it.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The words that go on with a run: its configuration stays, and of its time the rest is left.
fn resumed(words: &[String], seconds: f64) -> Vec<String> {
    let mut resumed = vec!["train".to_owned(), "--resume".to_owned()];
    for name in ["--run", MINUTES, "--threads"] {
        let Some(value) = value(words, name) else { continue };
        let value = match value.parse::<f64>() {
            Ok(minutes) if name == MINUTES => format!("{:.3}", (minutes - seconds / 60.0).max(0.0)),
            _ => value.to_owned(),
        };
        resumed.extend([name.to_owned(), value]);
    }
    resumed
}

/// Stops a training when no time is left, unless it stops before by itself; whether that was needed.
fn limit(words: &mut Vec<String>, left: Duration) -> bool {
    let minutes = left.as_secs_f64() / 60.0;
    let own = value(words, MINUTES).and_then(|own| own.parse::<f64>().ok());
    if own.is_some_and(|own| own <= minutes) {
        return false;
    }
    let text = format!("{minutes:.2}");
    match position(words, MINUTES) {
        Some(at) if at + 1 < words.len() => words[at + 1] = text,
        _ => words.extend([MINUTES.to_owned(), text]),
    }
    true
}

const MINUTES: &str = "--minutes";

/// The word after an option.
fn value<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    words.get(position(words, option)? + 1).map(String::as_str)
}

fn position(words: &[String], option: &str) -> Option<usize> {
    words.iter().position(|word| word == option)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_resumed_training_keeps_its_folder_and_the_rest_of_its_time() {
        let resumed = |line: &str| resumed(&words(line), 90.0).join(" ");
        assert_eq!(
            resumed("train --preset full --minutes 10 --run r"),
            "train --resume --run r --minutes 8.500"
        );
        assert_eq!(resumed("train --minutes 1 --run r"), "train --resume --run r --minutes 0.000");
        assert_eq!(resumed("train --steps 5 --run 1"), "train --resume --run 1");
    }

    #[test]
    fn a_budget_limits_only_what_would_take_longer() {
        let limited = |line: &str| {
            let mut words = words(line);
            (limit(&mut words, Duration::from_secs(120)), words.join(" "))
        };
        assert_eq!(limited("train --minutes 1"), (false, "train --minutes 1".to_owned()));
        assert_eq!(limited("train --minutes 5 --run r"), (true, "train --minutes 2.00 --run r".to_owned()));
        assert_eq!(limited("train --steps 5"), (true, "train --steps 5 --minutes 2.00".to_owned()));
    }

    /// A program in the place of `mg`: its training does as many iterations as `--steps` says, or one where it is resumed.
    #[cfg(unix)]
    const STAND_IN: &str = r#"#!/bin/sh
case "$*" in
    "runs show "*) echo "{ \"iteration\": $(cat $3/done), \"iterations\": 2, \"seconds\": 90, \"rollbacks\": 0 }" ;;
    "train --resume --run "*) echo 2 > $4/done; echo "$*" > $4/resumed ;;
    "train --run "*) echo 1 > $3/done ;;
    eval*) exit 0 ;;
    *) exit 1 ;;
esac
"#;

    #[cfg(unix)]
    #[test]
    fn a_training_that_was_stopped_goes_on_where_it_is_wanted() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (program, out) = (folder.path().join("mg"), folder.path().join("train-1"));
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let code =
            Code { version: "mg 1".to_owned(), revision: "r".to_owned(), changes: Some("c".to_owned()) };
        let (mg, minute) = (program.to_str().unwrap(), Some(Duration::from_secs(60)));
        let runner = |resume| Runner { root: folder.path(), mg, code: &code, machine: "m", resume };
        let call = |line: &str| {
            let words = words(&line.replace("OUT", out.to_str().unwrap()));
            Call { out: out.clone(), words, task: String::new() }
        };
        let train = call("train --run OUT --minutes 10");
        assert!(!runner(false).run(&train, minute).unwrap(), "one of two iterations");
        assert_eq!(Done::read(&out), None);
        assert!(runner(true).run(&train, minute).unwrap());
        let resumed = fs::read_to_string(out.join("resumed")).unwrap();
        assert!(resumed.trim_end().ends_with("--minutes 1.00"), "{resumed}");
        let done = Done::read(&out).unwrap();
        assert_eq!((done.iterations, done.revision.as_str(), done.is_dirty), (Some(2), "r-dirty", true));
        assert!(done.seconds >= 90.0);
        assert!(!runner(false).run(&train, minute).unwrap(), "it begins anew");
        fs::write(out.join("done"), "damaged").unwrap();
        let error = format!("{:#}", runner(true).run(&train, None).unwrap_err());
        assert!(error.contains("without --resume it begins anew"), "{error}");
        assert!(runner(false).run(&call("eval"), None).unwrap());
        assert_eq!(Done::read(&out).unwrap().iterations, None);
    }
}
