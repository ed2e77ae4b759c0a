use std::path::PathBuf;

use candle_core::Tensor;

use crate::Report;

/// Watches a run; all that it does is the caller's business. Every method has an empty default.
pub trait Observer {
    /// The run begins, or goes on, after `iteration` iterations of `of`.
    fn started(&mut self, _iteration: u64, _of: u64) {}

    /// This share, in [0, 1], of the iteration at hand is done.
    fn progressed(&mut self, _share: f64) {}

    /// An iteration is done.
    fn iteration_done(&mut self, _report: &Report) {}

    /// Images for the sheet of an iteration, [n, c, s, s] each, to be shown side by side and saved at `path`. Learning goes on
    /// when they cannot be.
    fn sheet(&mut self, _path: PathBuf, _images: &[Tensor]) {}

    /// Something else happened.
    fn happened(&mut self, _event: &Event) {}

    /// Asked after every iteration: true ends the run with a checkpoint.
    fn wants_stop(&mut self) -> bool {
        false
    }
}

/// What happens in a run besides iterations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A checkpoint and the model were written.
    Saved {
        /// Iterations done.
        iteration: u64,
    },
    /// The guard has its doubts, so the state was not saved: the older checkpoint stays the newest.
    NotSaved {
        /// Iterations done.
        iteration: u64,
    },
    /// A checkpoint could not be read, so an older one serves.
    BadCheckpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// Something looks wrong, and may pass.
    Suspicious {
        /// The iteration.
        iteration: u64,
        /// What.
        reason: String,
    },
    /// The run diverged and went back.
    RolledBack {
        /// The iteration at which it had diverged.
        from: u64,
        /// The iteration it went back to.
        to: u64,
        /// What the guard saw.
        reason: String,
        /// The factor on all learning rates from now on.
        rate_scale: f64,
    },
}

/// The observer that does nothing.
impl Observer for () {}
