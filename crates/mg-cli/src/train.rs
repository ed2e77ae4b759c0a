use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use mg_train::config::Config;
use mg_train::{Event, Observer, Outcome, Report, RunDir, Sampler, Training};

use crate::device::{DeviceArgs, describe};
use crate::estimate::{self, human};
use crate::set::SetArgs;
use crate::settings::Settings;
use crate::{hub, progress};

/// Learn a model.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Run directory; a new one below `runs/` unless given
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Go on with a run (the newest unless --run names one); only options that may change within a run count
    #[arg(long)]
    resume: bool,
    /// Stop after so many minutes, with a checkpoint
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<Duration>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

const RUNS: &str = "runs";

pub(crate) fn run(args: &Args) -> Result<()> {
    let device = args.device.open()?;
    let resumed = if args.resume { Some(args.resumed_path()?) } else { None };
    let (run_dir, mut config) = match &resumed {
        Some(path) => {
            if let Some(file) = &args.settings.file {
                let name = file.display();
                bail!("a run keeps its configuration: leave out {name}, and give what may change with --set");
            }
            anyhow::ensure!(
                args.settings.preset.is_empty(),
                "a run keeps its configuration: leave out --preset"
            );
            let run_dir = RunDir::open(path)?;
            let config = args.settings.config_over(&run_dir.config_path())?;
            (Some(run_dir), config)
        }
        None => (None, args.settings.config()?),
    };
    config.model.precision = args.device.precision().unwrap_or(config.model.precision);
    config = config.pinned(&device);
    let data = args.set.read(hub::configured(&config)?)?;
    let (name, device_name) = (&config.data.source, describe(&device, config.model.precision));
    let learned = mg_train::to_learn(&config, &data)?.len();
    tracing::info!("{learned} images of {name} on {device_name}");
    let mut training = match run_dir {
        Some(run_dir) => {
            let training = Training::resume(run_dir, &config, &data, &device)?;
            training.run_dir().write_config(&config)?;
            training
        }
        None => {
            let path = args.run.clone().map_or_else(|| free_path(&config), Ok)?;
            Training::start(RunDir::create(&path, &config)?, &config, &data, &device)?
        }
    };
    announce(&training, &config, &device, args.minutes)?;
    let mut watcher = Watcher::new(&training, &config, args.minutes)?;
    let outcome = training.run(&mut watcher)?;
    watcher.bar.finish_and_clear();
    conclude(outcome, &training, &watcher)
}

/// A number of minutes, with fractions.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text} is not a number of minutes"))?;
    Duration::try_from_secs_f64(60.0 * minutes).map_err(|error| format!("{text} minutes: {error}"))
}

impl Args {
    fn resumed_path(&self) -> Result<PathBuf> {
        match &self.run {
            Some(path) => Ok(path.clone()),
            None => newest(Path::new(RUNS)).with_context(|| {
                format!("no run below {RUNS}/ to go on with; name one with --run, or leave out --resume")
            }),
        }
    }
}

/// The run directory that was written to last.
fn newest(runs: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path());
    let written = |path: &PathBuf| path.join("metrics.jsonl").metadata().and_then(|m| m.modified()).ok();
    entries.filter_map(|path| Some((written(&path)?, path))).max().map(|(_, path)| path)
}

/// `runs/NAME-001`, or the next number that is free.
fn free_path(config: &Config) -> Result<PathBuf> {
    let source = Path::new(&config.data.source);
    let stem = source.file_stem().map_or("run".into(), |stem| stem.to_string_lossy().to_lowercase());
    let name: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let free =
        (1..10_000).map(|n| Path::new(RUNS).join(format!("{name}-{n:03}"))).find(|path| !path.exists());
    free.with_context(|| format!("{RUNS}/ is full of {name}; name a folder with --run"))
}

/// What is going to happen and how long it will take, before anything long happens.
fn announce(
    training: &Training,
    config: &Config,
    device: &candle_core::Device,
    limit: Option<Duration>,
) -> Result<()> {
    for class in training.learner().classes() {
        let counts: Vec<String> = class
            .grids
            .iter()
            .map(|grid| format!("{0}x{0} {1}", grid.spec.side, grid.params.count()))
            .collect();
        tracing::info!("model {}: parameters {}", class.class.name, counts.join(", "));
    }
    let temperatures: Vec<String> = (0..config.sides().len())
        .map(|level| format!("{:.1e}", Sampler::new(config, level).temperature()))
        .collect();
    tracing::info!("temperature of the chains (noise_scale^2 / 2 step_size): {}", temperatures.join(", "));
    let one = estimate::iteration(training.learner(), device)?;
    let left = config.learn.iterations.saturating_sub(training.iteration());
    let all = one.mul_f64(left as f64);
    let end = match limit.filter(|limit| *limit < all) {
        Some(limit) => format!("as many as fit into {}", human(limit)),
        None => format!("about {} in all", human(all)),
    };
    tracing::info!(
        "{left} iterations of about {}: {end}; Ctrl-C stops with a checkpoint, --resume goes on",
        human(one)
    );
    tracing::info!(
        "run {}: sheets of images in {}",
        training.run_dir().path().display(),
        training.run_dir().path().join("sheets").display()
    );
    Ok(())
}

fn conclude(outcome: Outcome, training: &Training, watcher: &Watcher) -> Result<()> {
    let path = training.run_dir().path().display();
    let done = training.iteration();
    match outcome {
        Outcome::Finished => {
            tracing::info!("finished: {done} iterations in {}", human(watcher.start.elapsed()))
        }
        _ => tracing::info!("stopped after {done} iterations; go on with: mg train --resume --run {path}"),
    }
    tracing::info!("draw images with: mg sample {path} -n 100 --out samples");
    say!("{path}");
    Ok(())
}

/// Shows a run, keeps its times, and knows when to stop.
struct Watcher {
    bar: ProgressBar,
    batch: usize,
    grids: usize,
    start: Instant,
    before: Instant,
    /// Seconds per iteration, smoothed.
    pace: f64,
    limit: Option<Duration>,
    interrupted: Arc<AtomicBool>,
    times: File,
    /// Seconds of earlier sessions.
    earlier: f64,
    of: u64,
}

impl Watcher {
    fn new(training: &Training, config: &Config, limit: Option<Duration>) -> Result<Self> {
        let path = training.run_dir().path().join("times.jsonl");
        let earlier = last_seconds(&path, training.iteration());
        let times = OpenOptions::new().create(true).append(true).open(&path);
        let grids = config.sides().len();
        let bar = progress::bar(config.learn.iterations * grids as u64, "grid sweeps");
        let (start, interrupted) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let flag = interrupted.clone();
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            tracing::info!("stopping after this iteration; Ctrl-C again stops at once and loses it");
        })
        .context("cannot listen to Ctrl-C")?;
        Ok(Watcher {
            bar,
            batch: config.learn.batch,
            grids,
            start,
            before: start,
            pace: 0.0,
            limit,
            interrupted,
            times: times.with_context(|| format!("cannot open {}", path.display()))?,
            earlier,
            of: config.learn.iterations,
        })
    }

    /// Time that iterations take at the pace of the last ones, or that `--minutes` leaves for them.
    fn left(&self, iterations: u64) -> Duration {
        let all = Duration::from_secs_f64(self.pace * iterations as f64);
        self.limit.map_or(all, |limit| all.min(limit.saturating_sub(self.start.elapsed())))
    }

    /// "4x4 +0.02  16x16 -0.11  64x64 +0.30"
    fn gaps(report: &Report) -> String {
        let gap = |grid: &mg_train::GridReport| format!("{0}x{0} {1:+.3}", grid.side, grid.gap);
        report.grids.iter().map(gap).collect::<Vec<_>>().join("  ")
    }
}

/// Seconds that the last line of `times.jsonl` up to an iteration tells.
fn last_seconds(path: &Path, iteration: u64) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut upto = lines.rev().filter(|line| line["iteration"].as_u64().is_some_and(|i| i <= iteration));
    upto.find_map(|line| line["seconds"].as_f64()).unwrap_or(0.0)
}

impl Observer for Watcher {
    fn started(&mut self, iteration: u64, _of: u64) {
        self.bar.set_position(iteration * self.grids as u64);
        self.before = Instant::now();
    }

    fn grid_done(&mut self, _grids: usize) {
        self.bar.inc(1);
    }

    fn iteration_done(&mut self, report: &Report) {
        let seconds = self.before.elapsed().as_secs_f64();
        self.before = Instant::now();
        self.pace = if self.pace == 0.0 { seconds } else { 0.8 * self.pace + 0.2 * seconds };
        self.bar.set_position(report.iteration * self.grids as u64);
        let left = self.left(self.of.saturating_sub(report.iteration));
        let rate = self.batch as f64 / self.pace;
        let gaps = Watcher::gaps(report);
        self.bar.set_message(format!("| {} left | {rate:.1} images/s | gap {gaps}", human(left)));
        let total = self.earlier + self.start.elapsed().as_secs_f64();
        let line = serde_json::json!({ "iteration": report.iteration, "seconds": total });
        if let Err(error) = writeln!(self.times, "{line}") {
            tracing::warn!("cannot keep the time of iteration {}: {error}", report.iteration);
        }
        if !progress::is_terminal() {
            let class = report.class.as_ref().map(|class| format!(" [{class}]")).unwrap_or_default();
            tracing::info!(
                "iteration {}/{}{class} | {} left | {rate:.1} images/s | gap {gaps}",
                report.iteration,
                self.of,
                human(left)
            );
        }
    }

    fn happened(&mut self, event: &Event) {
        match event {
            Event::Saved { iteration } => tracing::debug!("checkpoint at iteration {iteration}"),
            Event::NotSaved { iteration } => tracing::warn!(
                "iteration {iteration} was not saved, for it looks wrong: the older checkpoint and model stay"
            ),
            Event::Sheet { path } => tracing::info!("images from scratch: {}", path.display()),
            Event::BadCheckpoint { reason } => tracing::warn!("{reason}; an older checkpoint serves"),
            Event::Suspicious { iteration, reason } => tracing::warn!("iteration {iteration}: {reason}"),
            Event::RolledBack { from, to, reason, rate_scale } => tracing::warn!(
                "diverged at iteration {from}: {reason}; back to iteration {to} with {rate_scale} times the learning rate"
            ),
            _ => {}
        }
    }

    fn wants_stop(&mut self) -> bool {
        let late = self.limit.is_some_and(|limit| self.start.elapsed() >= limit);
        late || self.interrupted.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_number_that_is_a_time() {
        assert_eq!(minutes("1.5"), Ok(Duration::from_secs(90)));
        for bad in ["", "x", "nan", "inf", "-1", "1e30"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }
}
