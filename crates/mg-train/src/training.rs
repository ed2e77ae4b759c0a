use candle_core::Device;
use mg_data::DataSet;

use crate::config::Config;
use crate::guard::{Guard, Verdict};
use crate::learning::data_id;
use crate::run::checkpoint::{self, CheckpointHeader};
use crate::run::{Checkpoint, LineFile, ROLLED_BACK, RunDir, write_atomically};
use crate::same_run::check_same;
use crate::{Error, Event, Learning, Observer, Report, Result, Selection};

/// A run in progress: learning with its directory and its guard.
///
/// Invariant: the newest checkpoint, the cut list of metrics and iteration numbers alone determine what follows.
#[derive(Debug)]
pub struct Training {
    learning: Learning,
    device: Device,
    run_dir: RunDir,
    guard: Guard,
    metrics: LineFile,
    iteration: u64,
    rollbacks: u32,
    /// The iteration that this process saved last: the end of a run need not save it again.
    saved: Option<u64>,
    /// Checkpoints that could not be read when the run was resumed.
    faults: Vec<Error>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All iterations are done.
    Finished,
    /// The observer wanted to stop.
    Stopped,
}

impl Training {
    /// A new run, saved once before its first iteration. It learns the part of `data` that its configuration says.
    ///
    /// # Errors
    /// When the data do not fit the configuration or the directory cannot be written.
    pub fn start(run_dir: RunDir, config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        match Training::learning_of(config, data, device) {
            Ok(learning) => Training::begin(learning, run_dir, device),
            Err(error) => {
                run_dir.discard(); // so that the corrected command can have it
                Err(error)
            }
        }
    }

    fn learning_of(config: &Config, data: &DataSet, device: &Device) -> Result<Learning> {
        Learning::new(config, &Selection::of_config(config).to_learn(data)?, device)
    }

    fn begin(learning: Learning, run_dir: RunDir, device: &Device) -> Result<Self> {
        let metrics = LineFile::open(&run_dir.metrics_path(), 0)?;
        let mut training = Training::of(learning, run_dir, metrics, device);
        training.save()?;
        Ok(training)
    }

    fn of(learning: Learning, run_dir: RunDir, metrics: LineFile, device: &Device) -> Self {
        Training {
            guard: Guard::new(learning.config().guard.patience, learning.limits()),
            learning,
            device: device.clone(),
            run_dir,
            metrics,
            iteration: 0,
            rollbacks: 0,
            saved: None,
            faults: Vec::new(),
        }
    }

    /// A run that goes on from its newest readable checkpoint.
    ///
    /// # Errors
    /// When no checkpoint can be read, or it belongs to another configuration or other images.
    pub fn resume(run_dir: RunDir, config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        let (checkpoint, faults) = run_dir.newest_checkpoint(device)?;
        let Some(checkpoint) = checkpoint else {
            // Killed before the first checkpoint.
            return Training::begin(Training::learning_of(config, data, device)?, run_dir, device);
        };
        let (config, data) = (&config.pinned(device)?, &Selection::of_config(config).to_learn(data)?);
        check_same(run_dir.path(), &checkpoint.header, config, &data_id(config, data))?;
        let mut learning = Learning::new(config, data, device)?;
        take_over(&mut learning, &run_dir, &checkpoint)?;
        let CheckpointHeader { iteration, rollbacks, rate_scale, metrics_bytes, .. } = checkpoint.header;
        learning.rate_scale = rate_scale;
        let metrics = LineFile::open(&run_dir.metrics_path(), metrics_bytes)?;
        Ok(Training { iteration, rollbacks, faults, ..Training::of(learning, run_dir, metrics, device) })
    }

    /// What is learned, as it is now.
    pub fn learning(&self) -> &Learning {
        &self.learning
    }

    /// The run directory.
    pub fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }

    /// Iterations done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Learns until all iterations are done or the observer wants to stop; saves at the end.
    ///
    /// # Errors
    /// When something cannot be read, written or computed, or learning diverges more often than the guard allows.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let of = self.learning.config().learn.iterations;
        for fault in self.faults.drain(..) {
            observer.happened(&Event::BadCheckpoint { reason: fault.to_string() });
        }
        observer.started(self.iteration, of);
        while self.iteration < of {
            let report = self.learning.step(self.iteration, &mut |share| observer.progressed(share))?;
            match self.guard.judge(&report) {
                Verdict::Diverged(reason) => self.roll_back(reason, report.iteration, observer)?,
                verdict => self.keep(&report, verdict, observer)?,
            }
            if observer.wants_stop() {
                self.save_if_good(observer)?;
                return Ok(Outcome::Stopped);
            }
        }
        self.save_if_good(observer)?;
        Ok(Outcome::Finished)
    }

    fn keep(&mut self, report: &Report, verdict: Verdict, observer: &mut dyn Observer) -> Result<()> {
        self.iteration = report.iteration;
        self.metrics.append(&to_json(report))?;
        observer.iteration_done(report);
        if let Verdict::Suspicious(reason) = verdict {
            observer.happened(&Event::Suspicious { iteration: self.iteration, reason });
        }
        let output = &self.learning.config().output;
        let due = |every: u64| self.iteration.is_multiple_of(every);
        let (save, sheet) = (due(output.checkpoint_every), due(output.sheet_every));
        if save {
            self.save_if_good(observer)?;
        }
        if sheet && let Some(images) = self.learning.sheet(self.iteration)? {
            observer.sheet(self.run_dir.sheet_path(self.iteration), &images).map_err(Error::Observer)?;
        }
        Ok(())
    }

    /// Back to the last good state, with lower rates.
    fn roll_back(&mut self, reason: String, from: u64, observer: &mut dyn Observer) -> Result<()> {
        let guard = self.learning.config().guard.clone();
        let diverged = |reason| Error::Diverged { iteration: from, reason, rollbacks: self.rollbacks };
        if self.rollbacks >= guard.rollbacks {
            return Err(diverged(reason));
        }
        let Some(checkpoint) = self.run_dir.newest_checkpoint(&self.device)?.0 else {
            return Err(diverged(reason));
        };
        take_over(&mut self.learning, &self.run_dir, &checkpoint)?;
        self.learning.rate_scale = checkpoint.header.rate_scale * guard.rate_factor;
        self.iteration = checkpoint.header.iteration;
        self.rollbacks += 1;
        self.guard.forget();
        self.metrics.truncate(checkpoint.header.metrics_bytes)?;
        let (to, rate_scale) = (self.iteration, self.learning.rate_scale);
        let event = serde_json::json!({
            "event": ROLLED_BACK, "from": from, "to": to, "reason": reason, "rate_scale": rate_scale,
        });
        self.metrics.append(&event.to_string())?;
        self.save()?;
        observer.happened(&Event::RolledBack { from, to, reason, rate_scale });
        Ok(())
    }

    /// Saves unless the guard has its doubts: then the older checkpoint stays the newest.
    fn save_if_good(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let iteration = self.iteration;
        if self.saved == Some(iteration) {
            return Ok(());
        }
        if !self.guard.is_calm() {
            observer.happened(&Event::NotSaved { iteration });
            return Ok(());
        }
        self.save()?;
        observer.happened(&Event::Saved { iteration });
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let state = self.learning.state()?;
        let header = CheckpointHeader {
            format: checkpoint::FORMAT.into(),
            version: checkpoint::VERSION,
            iteration: self.iteration,
            config: self.learning.config().values(),
            data: self.learning.data().clone(),
            state: state.json.clone(),
            rate_scale: self.learning.rate_scale,
            rollbacks: self.rollbacks,
            metrics_bytes: self.metrics.sync()?,
        };
        Checkpoint { header, state }.save(&self.run_dir.checkpoint_path(self.iteration))?;
        let model = self.learning.artefact(self.iteration)?.to_bytes()?;
        write_atomically(&self.run_dir.model_path(), &model)?;
        self.saved = Some(self.iteration);
        self.run_dir.prune_checkpoints(self.learning.config().output.keep_checkpoints)
    }
}

/// Takes over the state of a checkpoint; an error names its file.
fn take_over(learning: &mut Learning, run_dir: &RunDir, checkpoint: &Checkpoint) -> Result<()> {
    learning.restore(&checkpoint.state).map_err(|error| Error::Format {
        path: run_dir.checkpoint_path(checkpoint.header.iteration),
        what: "checkpoint",
        reason: error.to_string(),
    })
}

fn to_json(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
}
