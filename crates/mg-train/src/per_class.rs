use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_model::below;
use mg_random::Key;
use serde_json::Value;

use crate::{At, Batch, Error, Learner, Limit, Rehearsal, Report, Result, State};

/// A learner for each class, of which every iteration serves one: a conditional model is a list of models in one run. A run
/// without classes is the list of length one.
pub(crate) struct PerClass {
    names: Vec<String>,
    learners: Vec<Box<dyn Learner>>,
}

impl PerClass {
    pub(crate) fn new(names: Vec<String>, learners: Vec<Box<dyn Learner>>) -> Self {
        PerClass { names, learners }
    }

    /// The model of every class; `next` reads the batch of a class that comes next.
    pub(crate) fn artefact(&self, next: &dyn Fn(usize) -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (c, learner) in self.learners.iter().enumerate() {
            add(&mut tensors, c, learner.artefact(&mut || next(c))?);
        }
        Ok(tensors)
    }

    pub(crate) fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let mut report = self.learners[batch.class].step(batch, at)?;
        report.iteration = at.t.saturating_add(1);
        report.passes = at.passes;
        report.class = (self.names.len() > 1).then(|| self.names[batch.class].clone());
        Ok(report)
    }

    pub(crate) fn state(&self) -> Result<State> {
        let (mut tensors, mut json) = (BTreeMap::new(), Vec::new());
        for (c, learner) in self.learners.iter().enumerate() {
            let state = learner.state()?;
            add(&mut tensors, c, state.tensors);
            json.push(state.json);
        }
        Ok(State { tensors, json: Value::Array(json) })
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<()> {
        let parts = state.json.as_array().map_or(&[][..], Vec::as_slice);
        if parts.len() != self.learners.len() {
            let (found, needed) = (parts.len(), self.learners.len());
            return Err(Error::Class(format!(
                "the state of {found} classes does not fit a run of {needed}; it belongs to another run"
            )));
        }
        for (c, (learner, json)) in self.learners.iter_mut().zip(parts).enumerate() {
            let tensors = below(&state.tensors, &format!("class{c}"));
            learner.restore(&State { tensors, json: json.clone() })?;
        }
        Ok(())
    }

    /// Images of the first class that has a sheet of its own.
    pub(crate) fn sheet(&self, n: usize, key: Key) -> Result<Option<Vec<Tensor>>> {
        self.learners.first().map_or(Ok(None), |learner| learner.sheet(n, key))
    }

    pub(crate) fn categories(&self) -> Vec<String> {
        self.learners.first().map_or_else(Vec::new, |learner| learner.categories())
    }

    pub(crate) fn limits(&self) -> Vec<Limit> {
        self.learners.first().map_or_else(Vec::new, |learner| learner.limits())
    }

    pub(crate) fn watched(&self) -> Vec<String> {
        self.learners.first().map_or_else(Vec::new, |learner| learner.watched())
    }

    pub(crate) fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, learner) in self.names.iter().zip(&self.learners) {
            lines.extend(learner.describe().into_iter().map(|line| format!("model {name}: {line}")));
        }
        lines
    }

    pub(crate) fn rehearsals(&self) -> Vec<Rehearsal<'_>> {
        self.learners.first().map_or_else(Vec::new, |learner| learner.rehearsals())
    }
}

/// Puts the tensors of class number `c` under its name.
fn add(into: &mut BTreeMap<String, Tensor>, c: usize, tensors: BTreeMap<String, Tensor>) {
    into.extend(tensors.into_iter().map(|(name, tensor)| (format!("class{c}.{name}"), tensor)));
}
