use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_random::Key;

use crate::{Batch, Collective, Limit, Report, Result, State};

/// A way to learn, in progress: what a method is to the loop around it.
///
/// It holds no generator and reads no clock: what a step does depends on its state, the batch and [`At`] alone, so that a
/// resumed run is the uninterrupted one to the bit.
pub trait Learner: Send {
    /// One iteration: gradients, their sums over [`At::peers`], an update. Numbers that are not finite are no error: the
    /// report shows them, and the guard acts on them.
    ///
    /// # Errors
    /// When a tensor operation fails, or the method has no use for such a batch.
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report>;

    /// Everything that the next step depends on.
    ///
    /// # Errors
    /// When a tensor cannot be read from its device.
    fn state(&self) -> Result<State>;

    /// Takes over what [`state`](Learner::state) said.
    ///
    /// # Errors
    /// When something is missing or of another shape; the learner is then not to be used.
    fn restore(&mut self, state: &State) -> Result<()>;

    /// The tensors of the model that was reached, as the method's [`Kind`](mg_model::Kind) opens them. `next` reads the
    /// batch that comes next, for those that need statistics of observed images.
    ///
    /// # Errors
    /// When a tensor operation fails, or the batch cannot be read.
    fn artefact(&self, next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>>;

    /// Images for the sheet of an iteration, [n, c, s, s] each, to be shown side by side; `None` for images that the model
    /// of [`artefact`](Learner::artefact) draws.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn sheet(&self, _n: usize, _key: Key) -> Result<Option<Vec<Tensor>>> {
        Ok(None)
    }

    /// Names of what its model tells apart, of those that classify.
    fn categories(&self) -> Vec<String> {
        Vec::new()
    }

    /// What values of a report must keep to; see [`Guard`](crate::Guard).
    fn limits(&self) -> Vec<Limit> {
        Vec::new()
    }

    /// Names of the values that tell most, for whoever watches.
    fn watched(&self) -> Vec<String> {
        Vec::new()
    }

    /// What there is to say before the first step, line by line.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    /// Work that is a known part of an iteration, for an estimate of its time; none when it cannot be told.
    fn rehearsals(&self) -> Vec<Rehearsal<'_>> {
        Vec::new()
    }
}

/// Where in a run a step is, and with whom it is made.
pub struct At<'a> {
    /// Iterations done.
    pub t: u64,
    /// Passes over the data so far.
    pub passes: f64,
    /// Factor on all learning rates; the guard lowers it.
    pub rate_scale: f64,
    /// Names the randomness of this iteration.
    pub key: Key,
    /// Those who learn from the other parts of the batch.
    pub peers: &'a dyn Collective,
    /// Hears which share of the iteration is done, in [0, 1].
    pub progress: &'a mut dyn FnMut(f64),
}

/// A part of an iteration's work.
pub struct Rehearsal<'a> {
    /// Does the work once, and waits until it is done.
    pub work: Box<dyn Fn() -> Result<()> + 'a>,
    /// How often an iteration does such work.
    pub times: f64,
}
