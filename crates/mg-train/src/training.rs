use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_figures::Sheet;
use mg_random::Key;

use crate::checkpoint::{self, Checkpoint, CheckpointHeader};
use crate::config::Config;
use crate::data::to_learn;
use crate::files::LineFile;
use crate::guard::{Guard, Verdict};
use crate::learner::Contrastive;
use crate::model::{DataId, Model};
use crate::observer::{Event, Observer};
use crate::report::Report;
use crate::run_dir::RunDir;
use crate::synthesis::Synthesis;
use crate::{Error, Result};

/// A run in progress: a learner, its data, its directory and its guard.
///
/// Invariant: the newest checkpoint, the cut list of metrics and iteration numbers alone determine what follows.
#[derive(Debug)]
pub struct Training {
    learner: Contrastive,
    data: DataId,
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
        let (config, data) = (&config.pinned(device), &to_learn(config, data)?);
        let learner = Contrastive::new(config, data, device)?;
        let metrics = LineFile::open(&run_dir.metrics_path(), 0)?;
        let guard = Guard::new(&config.guard, 0);
        let (device, data) = (device.clone(), DataId::of(config, data));
        let mut training = Training {
            learner,
            data,
            device,
            run_dir,
            guard,
            metrics,
            iteration: 0,
            rollbacks: 0,
            saved: None,
            faults: Vec::new(),
        };
        training.save()?;
        Ok(training)
    }

    /// A run that goes on from its newest readable checkpoint.
    ///
    /// # Errors
    /// When no checkpoint can be read, or it belongs to another configuration or other images.
    pub fn resume(run_dir: RunDir, config: &Config, data: &DataSet, device: &Device) -> Result<Self> {
        let (checkpoint, faults) = run_dir.newest_checkpoint(device)?;
        let Some(Checkpoint { header, tensors }) = checkpoint else {
            return Training::start(run_dir, config, data, device); // killed before the first checkpoint
        };
        let (config, data) = (&config.pinned(device), &to_learn(config, data)?);
        let refuse = |reason: String| Error::Run { path: run_dir.path().to_path_buf(), reason };
        if let Some(key) = differs(&header.config, config) {
            return Err(refuse(format!(
                "its checkpoint was made with another {key}; a run keeps its configuration. Undo the change, or start a new run"
            )));
        }
        let found = DataId::of(config, data);
        if found.sha256 != header.data.sha256 {
            let (ours, theirs) = (found.images, header.data.images);
            return Err(refuse(format!(
                "it was learned from {theirs} other images (SHA-256 {}), not these {ours} (SHA-256 {}); give the same ones with --data",
                header.data.sha256, found.sha256
            )));
        }
        let mut learner = Contrastive::new(config, data, device)?;
        restore(&mut learner, &run_dir, &header, &tensors)?;
        learner.rate_scale = header.rate_scale;
        let metrics = LineFile::open(&run_dir.metrics_path(), header.metrics_bytes)?;
        let guard = Guard::new(&config.guard, 0);
        let (iteration, rollbacks) = (header.iteration, header.rollbacks);
        Ok(Training {
            learner,
            data: found,
            device: device.clone(),
            run_dir,
            guard,
            metrics,
            iteration,
            rollbacks,
            saved: None,
            faults,
        })
    }

    /// The learner as it is now.
    pub fn learner(&self) -> &Contrastive {
        &self.learner
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
        let of = self.learner.config().learn.iterations;
        for fault in self.faults.drain(..) {
            observer.happened(&Event::BadCheckpoint { reason: fault.to_string() });
        }
        observer.started(self.iteration, of);
        while self.iteration < of {
            let report = self.learner.step(self.iteration, &mut |grids| observer.grid_done(grids))?;
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
        let output = &self.learner.config().output;
        let due = |every: u64| self.iteration.is_multiple_of(every);
        let (save, sheet) = (due(output.checkpoint_every), due(output.sheet_every));
        if save {
            self.save_if_good(observer)?;
        }
        if sheet {
            self.sheet(observer)?;
        }
        Ok(())
    }

    /// Back to the last good state, with lower rates.
    fn roll_back(&mut self, reason: String, from: u64, observer: &mut dyn Observer) -> Result<()> {
        let guard = self.learner.config().guard.clone();
        if self.rollbacks >= guard.rollbacks {
            return Err(Error::Diverged { iteration: from, reason, rollbacks: self.rollbacks });
        }
        let (checkpoint, _) = self.run_dir.newest_checkpoint(&self.device)?;
        let Some(Checkpoint { header, tensors }) = checkpoint else {
            return Err(Error::Diverged { iteration: from, reason, rollbacks: self.rollbacks });
        };
        restore(&mut self.learner, &self.run_dir, &header, &tensors)?;
        self.learner.rate_scale = header.rate_scale * guard.rate_factor;
        self.iteration = header.iteration;
        self.rollbacks += 1;
        self.guard = Guard::new(&guard, 0);
        self.metrics.truncate(header.metrics_bytes)?;
        let rate_scale = self.learner.rate_scale;
        let event = serde_json::json!({
            "event": "rolled back", "from": from, "to": self.iteration, "reason": reason, "rate_scale": rate_scale,
        });
        self.metrics.append(&event.to_string())?;
        self.save()?;
        observer.happened(&Event::RolledBack { from, to: self.iteration, reason, rate_scale });
        Ok(())
    }

    /// Saves unless the guard has its doubts: then the older checkpoint stays the newest.
    fn save_if_good(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let iteration = self.iteration;
        if self.saved == Some(iteration) {
            return Ok(());
        }
        if self.guard.bad > 0 {
            observer.happened(&Event::NotSaved { iteration });
            return Ok(());
        }
        self.save()?;
        observer.happened(&Event::Saved { iteration });
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let config = self.learner.config();
        let header = CheckpointHeader {
            format: checkpoint::FORMAT.into(),
            version: checkpoint::VERSION,
            iteration: self.iteration,
            config: config.clone(),
            data: self.data.clone(),
            updates: self.learner.updates(),
            rate_scale: self.learner.rate_scale,
            rollbacks: self.rollbacks,
            metrics_bytes: self.metrics.sync()?,
        };
        let keep = config.output.keep_checkpoints;
        Checkpoint { header, tensors: self.learner.state()? }
            .save(&self.run_dir.checkpoint_path(self.iteration))?;
        Model::of(&self.learner, &self.data, self.iteration)?.save(&self.run_dir.model_path())?;
        self.saved = Some(self.iteration);
        self.run_dir.prune_checkpoints(keep)
    }

    /// Images from p(0) alone, all grids side by side.
    fn sheet(&self, observer: &mut dyn Observer) -> Result<()> {
        let config = self.learner.config();
        let model = Model::of(&self.learner, &self.data, self.iteration)?;
        let key = Key::new(config.seed).named("sheet");
        let n = config.output.sheet_images;
        let how = Synthesis::default();
        let grids = model.sample(n, &how, key, &self.device, &mut mg_langevin::unobserved, &mut |_| {})?;
        let path = self.run_dir.sheet_path(self.iteration);
        Sheet::beside(&grids.iter().collect::<Vec<_>>())?.save(&path)?;
        observer.happened(&Event::Sheet { path });
        Ok(())
    }
}

/// Takes over the state of a checkpoint; an error names its file.
fn restore(
    learner: &mut Contrastive,
    run_dir: &RunDir,
    header: &CheckpointHeader,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    learner.restore(&header.updates, tensors).map_err(|error| Error::Format {
        path: run_dir.checkpoint_path(header.iteration),
        what: "checkpoint",
        reason: error.to_string(),
    })
}

/// The first key that may not change within a run but did.
fn differs(before: &Config, now: &Config) -> Option<String> {
    let free = |key: &str| {
        key.starts_with("output.")
            || key.starts_with("guard.")
            || matches!(key, "learn.iterations" | "data.source" | "data.split")
    };
    let (before, now) = (serde_json::to_value(before).ok()?, serde_json::to_value(now).ok()?);
    crate::config::EXPLANATIONS.iter().map(|(key, _)| key.as_str()).find_map(|key| {
        let pointer = format!("/{}", key.replace('.', "/"));
        (!free(key) && before.pointer(&pointer) != now.pointer(&pointer)).then(|| key.to_string())
    })
}

fn to_json(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
}
