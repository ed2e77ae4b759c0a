use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candle_core::Tensor;
use indicatif::ProgressBar;
use mg_figures::Sheet;
use mg_train::run::{Times, seconds};
use mg_train::{Event, Observer, Report, Training};

use crate::estimate::human;
use crate::progress;

/// Shows a run, saves its sheets, keeps its times, and knows when to stop.
pub(crate) struct Watcher {
    bar: ProgressBar,
    batch: usize,
    /// Names of the values that are shown.
    watched: Vec<String>,
    start: Instant,
    before: Instant,
    /// Seconds per iteration, smoothed.
    pace: f64,
    limit: Option<Duration>,
    interrupted: Arc<AtomicBool>,
    times: Times,
    /// Seconds of earlier sessions.
    earlier: f64,
    /// Iterations done.
    iteration: u64,
    of: u64,
    /// Whether it was said that chains do not move.
    stuck: bool,
}

/// Marks of the bar in one iteration.
const MARKS: u64 = 100;

impl Watcher {
    pub(crate) fn new(training: &Training, limit: Option<Duration>) -> Result<Self> {
        let run = training.run_dir().path();
        let learn = &training.learning().config().learn;
        let (start, interrupted) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        listen(interrupted.clone())?;
        Ok(Watcher {
            bar: progress::share_bar(learn.iterations * MARKS),
            batch: learn.batch,
            watched: training.learning().watched(),
            start,
            before: start,
            pace: 0.0,
            limit,
            interrupted,
            times: Times::open(run)?,
            earlier: seconds(run)
                .range(..=training.iteration())
                .next_back()
                .map_or(0.0, |(_, &seconds)| seconds),
            iteration: training.iteration(),
            of: learn.iterations,
            stuck: false,
        })
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Time that iterations take at the pace of the last ones, or that `--minutes` leaves for them.
    fn left(&self, iterations: u64) -> Duration {
        let all = Duration::from_secs_f64(self.pace * iterations as f64);
        self.limit.map_or(all, |limit| all.min(limit.saturating_sub(self.start.elapsed())))
    }

    /// "grid4.gap +0.020  grid16.gap -0.110"
    fn values(&self, report: &Report) -> String {
        let value = |name: &String| Some(format!("{name} {:+.3}", report.values.get(name)?));
        self.watched.iter().filter_map(value).collect::<Vec<_>>().join("  ")
    }

    /// Says once that no step of the chains was accepted.
    fn look_for_stuck_chains(&mut self, report: &Report) {
        let mut values = report.values.iter();
        let stuck = values.find(|(name, value)| name.ends_with("acceptance") && **value == 0.0);
        if let Some((name, _)) = stuck.filter(|_| !self.stuck) {
            self.stuck = true;
            tracing::warn!(
                "{name} is 0: no step of the chains is accepted, so they stay where they begin; a smaller chains.step_size \
                 moves them"
            );
        }
    }

    /// Keeps when an iteration was done.
    fn keep_time(&mut self, iteration: u64) {
        let seconds = self.earlier + self.start.elapsed().as_secs_f64();
        if let Err(error) = self.times.keep(iteration, seconds) {
            tracing::warn!("cannot keep the time of iteration {iteration}: {error}");
        }
    }
}

/// A terminal that closes says so more than once: itself, and by the shell in it. So long that is one wish.
const ONE_WISH: Duration = Duration::from_secs(1);

/// Raises the flag at Ctrl-C, and at the end of the terminal; at a second Ctrl-C the process ends.
fn listen(flag: Arc<AtomicBool>) -> Result<()> {
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        Some(first) if first.elapsed() > ONE_WISH => std::process::exit(130),
        Some(_) => {}
        None => {
            first = Some(Instant::now());
            flag.store(true, Ordering::SeqCst);
            tracing::info!("stopping after this iteration; Ctrl-C again stops at once and loses it");
        }
    })
    .context("cannot listen to Ctrl-C")
}

impl Observer for Watcher {
    fn started(&mut self, iteration: u64, _of: u64) {
        self.bar.set_position(iteration * MARKS);
        self.before = Instant::now();
    }

    fn progressed(&mut self, share: f64) {
        self.bar.set_position(self.iteration * MARKS + (share * MARKS as f64) as u64);
    }

    fn iteration_done(&mut self, report: &Report) {
        let seconds = self.before.elapsed().as_secs_f64();
        self.before = Instant::now();
        self.pace = if self.pace == 0.0 { seconds } else { 0.8 * self.pace + 0.2 * seconds };
        self.iteration = report.iteration;
        self.bar.set_position(report.iteration * MARKS);
        self.keep_time(report.iteration);
        self.look_for_stuck_chains(report);
        let left = human(self.left(self.of.saturating_sub(report.iteration)));
        let (rate, values) = (self.batch as f64 / self.pace, self.values(report));
        let class = report.class.as_ref().map(|class| format!(" [{class}]")).unwrap_or_default();
        let line = format!(
            "iteration {}/{}{class} | {left} left | {rate:.1} images/s | {values}",
            report.iteration, self.of
        );
        self.bar.set_message(line.clone());
        if !progress::is_terminal() {
            tracing::info!("{line}");
        }
    }

    fn sheet(&mut self, path: PathBuf, images: &[Tensor]) {
        let sheet = Sheet::beside(&images.iter().collect::<Vec<_>>());
        match sheet.and_then(|sheet| sheet.save(&path)) {
            Ok(()) => tracing::info!("images from scratch: {}", path.display()),
            Err(error) => tracing::warn!("no sheet of this iteration, learning goes on: {error}"),
        }
    }

    fn happened(&mut self, event: &Event) {
        match event {
            Event::Saved { iteration } => tracing::debug!("checkpoint at iteration {iteration}"),
            Event::NotSaved { iteration } => tracing::warn!(
                "iteration {iteration} was not saved, for it looks wrong: the older checkpoint and model stay"
            ),
            Event::BadCheckpoint { reason } => tracing::warn!("{reason}; an older checkpoint serves"),
            Event::Suspicious { iteration, reason } => tracing::warn!("iteration {iteration}: {reason}"),
            Event::RolledBack { from, to, reason, rate_scale } => {
                self.iteration = *to;
                tracing::warn!(
                    "diverged at iteration {from}: {reason}; back to iteration {to} with {rate_scale} times the learning rate"
                );
            }
            _ => {}
        }
    }

    fn wants_stop(&mut self) -> bool {
        let late = self.limit.is_some_and(|limit| self.start.elapsed() >= limit);
        late || self.interrupted.load(Ordering::SeqCst)
    }
}
