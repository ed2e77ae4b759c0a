use crate::run::checkpoint::{self, CheckpointHeader};
use crate::run::{Checkpoint, LineFile, RunDir, write_atomically};
use crate::{Error, Learning, Result};

/// What of a run is on disk. A state is saved once it is known to be sound, which only iterations made from it tell.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) run_dir: RunDir,
    pub(crate) metrics: LineFile,
    /// Times that the guard has rolled back.
    pub(crate) rollbacks: u32,
    /// The iteration that this process saved last: the end of a run need not save it again.
    pub(crate) saved: Option<u64>,
    /// The state to save next.
    held: Option<Held>,
}

/// A state that is not known to be sound yet, as its files would be.
#[derive(Debug)]
pub(crate) struct Held {
    /// Iterations done.
    pub(crate) iteration: u64,
    /// Good iterations that must follow: one of every class.
    pub(crate) left: usize,
    /// The checkpoint's bytes.
    pub(crate) checkpoint: Vec<u8>,
    model: Vec<u8>,
    /// Checkpoints to keep, this one among them.
    keep: usize,
}

impl Keeper {
    pub(crate) fn new(run_dir: RunDir, metrics: LineFile, rollbacks: u32) -> Self {
        Keeper { run_dir, metrics, rollbacks, saved: None, held: None }
    }

    /// The state after `iteration` iterations, ready to be saved; or what is not finite in it.
    pub(crate) fn state_of(&self, learning: &Learning, iteration: u64) -> Result<Result<Held, String>> {
        let state = learning.state()?;
        let header = CheckpointHeader {
            format: checkpoint::FORMAT.into(),
            version: checkpoint::VERSION,
            iteration,
            config: learning.config().values(),
            data: learning.data().clone(),
            state: state.json.clone(),
            rate_scale: learning.rate_scale,
            rollbacks: self.rollbacks,
            metrics_bytes: self.metrics.len(),
        };
        let (left, keep) = (learning.classes(), learning.config().output.keep_checkpoints);
        let (checkpoint, model) = (Checkpoint { header, state }, learning.artefact(iteration)?);
        let bytes = checkpoint.to_bytes().and_then(|checkpoint| Ok((checkpoint, model.to_bytes()?)));
        match bytes {
            Ok((checkpoint, model)) => Ok(Ok(Held { iteration, left, checkpoint, model, keep })),
            Err(error @ mg_model::Error::NotFinite { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a state waits to be saved.
    pub(crate) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Waits with a state until it is known to be sound.
    pub(crate) fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// The state that waits, if it is that of this iteration; none waits any longer.
    pub(crate) fn take(&mut self, iteration: u64) -> Option<Held> {
        self.held.take().filter(|held| held.iteration == iteration)
    }

    /// An iteration was not good: the iteration whose state is not saved for that.
    pub(crate) fn doubt(&mut self) -> Option<u64> {
        self.held.take().map(|held| held.iteration)
    }

    /// An iteration was good: the iteration whose state is saved for that.
    pub(crate) fn trust(&mut self) -> Result<Option<u64>> {
        let Some(mut held) = self.held.take() else { return Ok(None) };
        held.left -= 1;
        if held.left > 0 {
            self.held = Some(held);
            return Ok(None);
        }
        self.write(&held)?;
        Ok(Some(held.iteration))
    }

    /// Writes a sound state: the checkpoint, then the model, each whole or not at all. Older checkpoints are deleted once the new
    /// one has been read back.
    pub(crate) fn write(&mut self, held: &Held) -> Result<()> {
        self.metrics.sync()?;
        let path = self.run_dir.checkpoint_path(held.iteration);
        write_atomically(&path, &held.checkpoint)?;
        write_atomically(&self.run_dir.model_path(), &held.model)?;
        self.saved = Some(held.iteration);
        match mg_files::holds(&path, &held.checkpoint) {
            Ok(true) => self.run_dir.prune_checkpoints(held.iteration, held.keep),
            Ok(false) => {
                let reason =
                    "what was just written reads back otherwise, so older ones stay; look after this disk"
                        .to_string();
                Err(Error::Format { path, what: "checkpoint", reason })
            }
            Err(_) => Ok(()), // it cannot be read at this moment; the next one makes up for it
        }
    }
}
