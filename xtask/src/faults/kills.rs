//! `kill -9` at any moment.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::dice::Dice;
use super::kind::Kind;
use super::program::Environment;
use super::workshop::{Prepared, Trial, Workshop};

/// Cases are kills, whose moments the dice choose. The moment, not what happens at it, is the same every time.
pub(super) struct Kills<'a> {
    workshop: &'a Workshop,
    /// With the time that it takes.
    prepared: Vec<(Prepared, Duration)>,
}

const KILLS: usize = 2000;
/// Every so often what goes on is killed too.
const AGAIN: f64 = 0.3;

impl<'a> Kills<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let prepared = workshop.scenarios(|ready| {
            let beside = workshop.beside(ready.scenario.name);
            Ok(Trial::new(workshop, ready, &beside)?.begin(&Environment::new())?.wait()?.took)
        })?;
        Ok(Kills { workshop, prepared })
    }

    fn of(&self, case: usize) -> &(Prepared, Duration) {
        &self.prepared[case % self.prepared.len()]
    }
}

impl Kind for Kills<'_> {
    fn cases(&self) -> usize {
        KILLS
    }

    fn describe(&self, case: usize) -> String {
        let (prepared, took) = self.of(case);
        let moment = took.mul_f64(Dice::of("kills", case).share());
        format!("{}: killed after {moment:.1?} of {took:.1?}", prepared.scenario.name)
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let ((prepared, took), mut dice) = (self.of(case), Dice::of("kills", case));
        let trial = Trial::new(self.workshop, prepared, folder)?;
        let was_alive = trial.begin(&Environment::new())?.kill_after(took.mul_f64(dice.share()))?;
        while dice.share() < AGAIN {
            trial.go_on()?.kill_after(took.mul_f64(dice.share()))?;
        }
        trial.finish()?;
        Ok(if was_alive { "killed and done again" } else { "done before the kill" })
    }
}
