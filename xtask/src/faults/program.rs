//! The program that is disturbed: one call of it, watched from outside.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Where calls are made.
pub(super) struct Place {
    /// What they work in.
    pub(super) folder: PathBuf,
    /// Logs and what calls print.
    pub(super) beside: PathBuf,
    /// The address of a hub; one where nobody answers unless it is wanted.
    pub(super) endpoint: String,
}

/// Names and values for the environment of a call.
pub(super) type Environment = Vec<(&'static str, OsString)>;

/// A call that is under way.
pub(super) struct Running {
    child: Child,
    line: String,
    stdout: PathBuf,
    stderr: PathBuf,
    start: Instant,
}

/// How a call ended.
pub(super) struct Ending {
    /// The words of the call.
    pub(super) line: String,
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// A call that takes longer never ends.
const LIMIT: Duration = Duration::from_secs(180);
/// What of a person's own environment would reach into the calls.
const FOREIGN: [&str; 9] = [
    "HF_HUB_OFFLINE",
    "HF_HUB_CACHE",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "MG_LOG",
    "RUST_BACKTRACE",
];

/// Starts a call; its words are separated by spaces.
pub(super) fn start(mg: &Path, place: &Place, words: &str, environment: &Environment) -> Result<Running> {
    let (stdout, stderr) = (place.beside.join("stdout"), place.beside.join("stderr"));
    let to = |path: &PathBuf| File::create(path).with_context(|| format!("cannot make {}", path.display()));
    let mut command = Command::new(mg);
    command.args(words.split_whitespace()).current_dir(&place.folder).stdin(Stdio::null());
    command.stdout(to(&stdout)?).stderr(to(&stderr)?);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("HF_ENDPOINT", &place.endpoint).env("HF_TOKEN", "secret");
    command.env("HF_HOME", place.folder.join("home"));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let child = command.spawn().with_context(|| format!("cannot start {}", mg.display()))?;
    Ok(Running { child, line: format!("mg {words}"), stdout, stderr, start: Instant::now() })
}

impl Running {
    /// Waits for the end.
    pub(super) fn wait(mut self) -> Result<Ending> {
        let mut pause = Duration::from_micros(500);
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if self.start.elapsed() > LIMIT => {
                    self.child.kill()?;
                    bail!("`{}` does not end", self.line);
                }
                None => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(10));
        };
        let took = self.start.elapsed();
        let text = |path: &PathBuf| -> Result<String> {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (stdout, stderr) = (text(&self.stdout)?, text(&self.stderr)?);
        Ok(Ending { line: self.line, status, stdout, stderr, took })
    }

    /// Kills the process after a while, as `kill -9` does; whether it was alive then.
    pub(super) fn kill_after(mut self, moment: Duration) -> Result<bool> {
        std::thread::sleep(moment.saturating_sub(self.start.elapsed()));
        let was_alive = self.child.try_wait()?.is_none();
        if was_alive {
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(was_alive)
    }
}

impl Ending {
    /// Whether the call succeeded; an error when it ended otherwise than calls are said to end: with 0, or with 1, an error
    /// and what to do about it.
    pub(super) fn judged(&self) -> Result<bool> {
        ensure!(!self.stderr.contains("panicked"), "`{}` panicked:\n{}", self.line, self.stderr);
        match self.status.code() {
            Some(0) => Ok(true),
            Some(1) if self.stderr.contains("error: ") && self.stderr.contains("help: ") => Ok(false),
            Some(1) => bail!("`{}` failed and did not say why:\n{}", self.line, self.stderr),
            _ => bail!("`{}` ended with {}:\n{}", self.line, self.status, self.stderr),
        }
    }

    /// The same, where nothing stands in the way of success.
    pub(super) fn succeeded(&self) -> Result<()> {
        ensure!(self.judged()?, "`{}` failed, though nothing disturbed it:\n{}", self.line, self.stderr);
        Ok(())
    }
}
