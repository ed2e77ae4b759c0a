use candle_core::Device;
use mg_data::DataSet;

use crate::config::Config;
use crate::guard::{Guard, Verdict};
use crate::keeper::Keeper;
use crate::learning::data_id;
use crate::run::checkpoint::CheckpointHeader;
use crate::run::{Checkpoint, LineFile, ROLLED_BACK, RunDir};
use crate::same_run::check_same;
use crate::selection::check_differ;
use crate::{Error, Event, Learning, Observer, Report, Result, Selection};

/// A run in progress: learning with its directory and its guard.
///
/// Invariant: the newest checkpoint, the cut list of metrics and iteration numbers alone determine what follows.
#[derive(Debug)]
pub struct Training {
    learning: Learning,
    device: Device,
    keeper: Keeper,
    guard: Guard,
    iteration: u64,
    /// What the guard has against the last iteration.
    doubt: Option<String>,
    /// Checkpoints that could not be read when the run was resumed.
    faults: Vec<Error>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All iterations are done.
    Finished,
    /// All iterations are done, but the last ones were not good, so the model is that of an earlier one.
    Doubtful,
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
        let data = Selection::of_config(config).to_learn(data)?;
        check_differ(&data)?;
        Learning::new(config, &data, device)
    }

    fn begin(learning: Learning, run_dir: RunDir, device: &Device) -> Result<Self> {
        let metrics = LineFile::open(&run_dir.metrics_path(), 0)?;
        let mut training = Training::of(learning, Keeper::new(run_dir, metrics, 0), device);
        // It has learned nothing yet: there is nothing to doubt but its numbers.
        let first = training.keeper.state_of(&training.learning, 0)?;
        let path = training.run_dir().checkpoint_path(0);
        training.keeper.write(&first.map_err(|reason| Error::Format {
            path,
            what: "checkpoint",
            reason,
        })?)?;
        Ok(training)
    }

    fn of(learning: Learning, keeper: Keeper, device: &Device) -> Self {
        let guard = Guard::new(learning.config().guard.patience, learning.limits());
        let (device, faults) = (device.clone(), Vec::new());
        Training { learning, device, keeper, guard, iteration: 0, doubt: None, faults }
    }

    /// A run that goes on from its newest readable checkpoint.
    ///
    /// # Errors
    /// When no checkpoint can be read, or it belongs to another configuration or other images.
    pub fn resume(run_dir: RunDir, config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        let (checkpoint, faults) = run_dir.newest_checkpoint(device)?;
        let Some(checkpoint) = checkpoint else {
            run_dir.check_unused()?; // killed before the first checkpoint
            return Training::begin(Training::learning_of(config, data, device)?, run_dir, device);
        };
        let (config, data) = (&config.pinned(device)?, &Selection::of_config(config).to_learn(data)?);
        check_same(run_dir.path(), &checkpoint.header, config, &data_id(config, data))?;
        let mut learning = Learning::new(config, data, device)?;
        take_over(&mut learning, &run_dir, &checkpoint)?;
        let CheckpointHeader { iteration, rollbacks, rate_scale, metrics_bytes, .. } = checkpoint.header;
        learning.rate_scale = rate_scale;
        let metrics = LineFile::open(&run_dir.metrics_path(), metrics_bytes)?;
        let keeper = Keeper::new(run_dir, metrics, rollbacks);
        Ok(Training { iteration, faults, ..Training::of(learning, keeper, device) })
    }

    /// What is learned, as it is now.
    pub fn learning(&self) -> &Learning {
        &self.learning
    }

    /// The run directory.
    pub fn run_dir(&self) -> &RunDir {
        &self.keeper.run_dir
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
        loop {
            while self.iteration < of {
                let report = self.learning.step(self.iteration, &mut |share| observer.progressed(share))?;
                match self.guard.judge(&report) {
                    Verdict::Diverged(reason) => self.roll_back(reason, report.iteration, observer)?,
                    verdict => self.keep(&report, verdict, observer)?,
                }
                if observer.wants_stop() {
                    if self.settle(observer)? != Verdict::Good {
                        observer.happened(&Event::NotSaved { iteration: self.iteration });
                    }
                    return Ok(Outcome::Stopped);
                }
            }
            match self.settle(observer)? {
                Verdict::Good => return Ok(Outcome::Finished),
                Verdict::Suspicious(_) => {
                    observer.happened(&Event::NotSaved { iteration: self.iteration });
                    return Ok(Outcome::Doubtful);
                }
                Verdict::Diverged(reason) => self.roll_back(reason, self.iteration, observer)?,
            }
        }
    }

    fn keep(&mut self, report: &Report, verdict: Verdict, observer: &mut dyn Observer) -> Result<()> {
        self.iteration = report.iteration;
        self.keeper.metrics.append(report)?;
        observer.iteration_done(report);
        self.doubt = match verdict {
            Verdict::Suspicious(reason) => {
                if let Some(iteration) = self.keeper.doubt() {
                    observer.happened(&Event::NotSaved { iteration });
                }
                observer.happened(&Event::Suspicious { iteration: self.iteration, reason: reason.clone() });
                Some(reason)
            }
            _ => {
                if let Some(iteration) = self.keeper.trust()? {
                    observer.happened(&Event::Saved { iteration });
                }
                None
            }
        };
        let output = &self.learning.config().output;
        let due = |every: u64| self.iteration.is_multiple_of(every);
        let (save, sheet) = (due(output.checkpoint_every), due(output.sheet_every));
        if save && self.doubt.is_some() {
            observer.happened(&Event::NotSaved { iteration: self.iteration });
        } else if save && !self.keeper.holds() {
            match self.keeper.state_of(&self.learning, self.iteration)? {
                Ok(state) => self.keeper.hold(state),
                Err(reason) => return self.roll_back(reason, self.iteration, observer),
            }
        }
        if sheet && let Some(images) = self.learning.sheet(self.iteration)? {
            observer.sheet(self.run_dir().sheet_path(self.iteration), &images);
        }
        Ok(())
    }

    /// Saves the state as it is, if it is good: it makes an iteration of every class to know that, and takes them back.
    fn settle(&mut self, observer: &mut dyn Observer) -> Result<Verdict> {
        let held = self.keeper.take(self.iteration);
        if self.keeper.saved == Some(self.iteration) {
            return Ok(Verdict::Good);
        }
        if let Some(doubt) = &self.doubt {
            return Ok(Verdict::Suspicious(doubt.clone()));
        }
        let state =
            held.map_or_else(|| self.keeper.state_of(&self.learning, self.iteration), |held| Ok(Ok(held)));
        let state = match state? {
            Ok(state) => state,
            Err(reason) => return Ok(Verdict::Diverged(reason)),
        };
        let mut guard = self.guard.clone();
        for iteration in (self.iteration..).take(state.left) {
            match guard.judge(&self.learning.step(iteration, &mut |_| {})?) {
                Verdict::Good => {}
                verdict => return Ok(verdict),
            }
        }
        self.learning.restore(&Checkpoint::from_bytes(&state.checkpoint, &self.device)?.state)?;
        self.keeper.write(&state)?;
        observer.happened(&Event::Saved { iteration: self.iteration });
        Ok(Verdict::Good)
    }

    /// Back to the last good state, with lower rates.
    fn roll_back(&mut self, reason: String, from: u64, observer: &mut dyn Observer) -> Result<()> {
        let (guard, rollbacks) = (self.learning.config().guard.clone(), self.keeper.rollbacks);
        let diverged = |reason| Error::Diverged { iteration: from, reason, rollbacks };
        if rollbacks >= guard.rollbacks {
            return Err(diverged(reason));
        }
        let Some(checkpoint) = self.run_dir().newest_checkpoint(&self.device)?.0 else {
            return Err(diverged(reason));
        };
        take_over(&mut self.learning, &self.keeper.run_dir, &checkpoint)?;
        self.learning.rate_scale = checkpoint.header.rate_scale * guard.rate_factor;
        self.iteration = checkpoint.header.iteration;
        self.keeper.doubt();
        (self.keeper.rollbacks, self.doubt) = (rollbacks + 1, None);
        self.guard.forget();
        self.keeper.metrics.truncate(checkpoint.header.metrics_bytes)?;
        let (to, rate_scale) = (self.iteration, self.learning.rate_scale);
        let event = serde_json::json!({
            "event": ROLLED_BACK, "from": from, "to": to, "reason": reason, "rate_scale": rate_scale,
        });
        self.keeper.metrics.append(&event)?;
        let again = self.keeper.state_of(&self.learning, to)?.map_err(diverged)?;
        self.keeper.write(&again)?;
        observer.happened(&Event::RolledBack { from, to, reason, rate_scale });
        Ok(())
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
