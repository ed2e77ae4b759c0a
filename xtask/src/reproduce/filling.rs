//! Commands of a row with their variables filled in.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;

use super::call::{Call, short_hash};
use super::code::Code;
use super::content::Hashes;
use super::experiment::{Experiment, Profile, Row, Stage};
use super::scope::Scope;
use super::sets::Sets;
use super::variables::{DATA, SEED, Value, Variables};
use super::word::Meaning;

/// What rows are filled in with.
pub(super) struct Filling<'e, 's> {
    pub(super) experiment: &'e Experiment,
    pub(super) profile: &'s Profile,
    /// In place of every variable of data.
    pub(super) data: Option<&'s str>,
    pub(super) code: &'s Code,
    pub(super) sets: &'s Sets,
    /// Folder of all results of the profile.
    pub(super) folder: &'s Path,
    /// Whether sets may be missing, since nothing will be run.
    pub(super) is_dry: bool,
}

/// A row with one seed.
pub(super) struct Attempt<'a> {
    pub(super) seed: u64,
    /// What it is to do, hashed.
    pub(super) task: String,
    /// Its stages in order.
    pub(super) calls: Vec<(&'a Stage, Call)>,
}

impl<'e> Filling<'e, '_> {
    /// What a row does with these seeds; nothing where it has no stages.
    ///
    /// # Errors
    /// A variable that is not there, or cannot stand where it does; a set that is not there.
    pub(super) fn attempts(
        &self,
        row: &'e Row,
        seeds: &[u64],
        hashes: &mut Hashes,
    ) -> Result<Vec<Attempt<'e>>> {
        let stages = self.experiment.stages_of(row);
        if stages.is_empty() || seeds.is_empty() {
            return Ok(Vec::new());
        }
        let variables = self.variables(row);
        let contents = self.contents(&variables, hashes)?;
        seeds.iter().map(|&seed| self.attempt(seed, &stages, &variables, &contents)).collect()
    }

    fn attempt(
        &self,
        seed: u64,
        stages: &[&'e Stage],
        variables: &Variables,
        contents: &BTreeMap<String, String>,
    ) -> Result<Attempt<'e>> {
        let known = [(SEED.to_owned(), Meaning::plain(seed.to_string()))].into();
        let mut scope = Scope { variables, known, contents };
        let mut calls = Vec::new();
        for &stage in stages {
            let call = Call::new(stage, &scope, self.code, self.folder)?;
            let folder = Meaning { text: call.out.display().to_string(), identity: call.task.clone() };
            scope.known.insert(stage.name.clone(), folder);
            calls.push((stage, call));
        }
        let task = short_hash(json!(calls.iter().map(|(_, call)| &call.task).collect::<Vec<_>>()));
        Ok(Attempt { seed, task, calls })
    }

    /// Those of the profile and of the row.
    fn variables(&self, row: &Row) -> Variables {
        let mut variables = self.profile.vars.clone();
        variables.extend(row.vars.clone());
        if let Some(data) = self.data {
            let of_data = variables.iter_mut().filter(|(name, _)| name.starts_with(DATA));
            of_data.for_each(|(_, value)| *value = Value::literal(data));
        }
        variables
    }

    /// What lies where the variables of data point.
    fn contents(&self, variables: &Variables, hashes: &mut Hashes) -> Result<BTreeMap<String, String>> {
        let none = BTreeMap::new();
        let scope = Scope { variables, known: BTreeMap::new(), contents: &none };
        let mut contents = BTreeMap::new();
        for name in variables.keys().filter(|name| name.starts_with(DATA)) {
            let set = scope.text(name)?;
            ensure!(
                self.is_dry || !self.sets.is_missing(&set),
                "no data at {set}; `mg data list` names the sets there are, --data gives another place"
            );
            if let Some(identity) = self.sets.identity(&set, hashes)? {
                contents.insert(set, identity);
            }
        }
        Ok(contents)
    }
}
