//! Where scenarios are prepared and tried.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::hubs::{Hub, Hubs};
use super::interposed::{self, Disturbance, Library};
use super::log::Event;
use super::pictures;
use super::program::{self, Ending, Environment, Place, Running};
use super::scenario::{SCENARIOS, Scenario};
use super::tree::{self, Entry, Tree};

/// What all cases need.
pub(super) struct Workshop {
    /// The program.
    pub(super) mg: PathBuf,
    /// A folder for cases, without links in its path.
    pub(super) folder: PathBuf,
    /// Where there is one.
    pub(super) library: Option<Library>,
    hubs: Hubs,
}

/// A scenario that can be tried.
pub(super) struct Prepared {
    pub(super) scenario: &'static Scenario,
    /// What the command finds.
    pub(super) before: Tree,
    /// What it leaves when nothing disturbs it.
    pub(super) after: Tree,
}

/// A scenario that is tried.
pub(super) struct Trial<'a> {
    workshop: &'a Workshop,
    prepared: &'a Prepared,
    pub(super) place: Place,
    hub: Hub<'a>,
    /// Whether lines of files that tell the time may be torn: these are not flushed.
    has_lost_power: bool,
}

impl Workshop {
    pub(super) fn new(mg: PathBuf, folder: &Path, library: Option<Library>) -> Result<Self> {
        tree::empty(folder)?;
        let folder = folder.canonicalize().with_context(|| format!("cannot look at {}", folder.display()))?;
        Ok(Workshop { mg, folder, library, hubs: Hubs::default() })
    }

    /// A folder for a call, which holds a tree, with a hub.
    pub(super) fn place(&self, beside: &Path, tree: &Tree) -> Result<(Place, Hub<'_>)> {
        let (folder, hub) = (beside.join("work"), self.hubs.with(pictures::grey_file(8)));
        tree::write(tree, &folder)?;
        let endpoint = hub.endpoint().to_owned();
        Ok((Place { folder, beside: beside.to_owned(), endpoint }, hub))
    }

    /// A call that nothing disturbs.
    pub(super) fn call(&self, place: &Place, words: &str) -> Result<Ending> {
        program::start(&self.mg, place, words, &Environment::new())?.wait()
    }

    /// What lies in a folder after some calls, which must succeed.
    pub(super) fn made_by(&self, name: &str, calls: &[&str]) -> Result<Tree> {
        let mut tree = pictures::folder("photos", 66)?;
        tree.extend(pictures::folder("others", 4)?);
        let (place, _hub) = self.place(&self.beside(name), &tree)?;
        for words in calls {
            self.call(&place, words)?.succeeded()?;
        }
        tree::read(&place.folder)
    }

    /// The folder in which something is prepared.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join("prepared").join(name)
    }

    /// All scenarios, prepared, with what is found out of each.
    pub(super) fn scenarios<T>(&self, find: impl Fn(&Prepared) -> Result<T>) -> Result<Vec<(Prepared, T)>> {
        let prepared = |scenario| {
            let ready = self.prepare(scenario)?;
            let found = find(&ready)?;
            Ok((ready, found))
        };
        SCENARIOS.iter().map(prepared).collect()
    }

    /// Makes what a scenario needs, and does it once.
    fn prepare(&self, scenario: &'static Scenario) -> Result<Prepared> {
        let before = self.made_by(scenario.name, scenario.before)?;
        let mut prepared = Prepared { scenario, before, after: Tree::new() };
        let trial = Trial::new(self, &prepared, &self.beside(scenario.name))?;
        trial.begin(&Environment::new())?.wait()?.succeeded()?;
        let after = tree::read(&trial.place.folder)?;
        drop(trial);
        prepared.after = after;
        Ok(prepared)
    }

    /// The calls that a scenario makes; nothing disturbs them, and they leave what they should.
    pub(super) fn events(&self, prepared: &Prepared) -> Result<Vec<Event>> {
        let library = self.library.as_ref().context("disks are disturbed on Linux only")?;
        let trial = Trial::new(self, prepared, &self.beside(prepared.scenario.name))?;
        let environment = library.environment(&trial.place, Disturbance::None)?;
        let ending = trial.begin(&environment)?.wait()?;
        ensure!(trial.ended(&ending)?, "`{}` failed with the library before it", ending.line);
        interposed::events(&trial.place)
    }

    /// A call of a scenario with a disturbed disk, and its end; afterwards all must be well.
    pub(super) fn disturb(
        &self,
        prepared: &Prepared,
        beside: &Path,
        disturbance: Disturbance,
    ) -> Result<Disturbed> {
        let library = self.library.as_ref().context("disks are disturbed on Linux only")?;
        let trial = Trial::new(self, prepared, beside)?;
        let environment = library.environment(&trial.place, disturbance)?;
        let ending = trial.begin(&environment)?.wait()?;
        let is_disturbed = interposed::events(&trial.place)?.iter().any(Event::is_denied);
        let succeeded = trial.ended(&ending)?;
        if !succeeded {
            trial.finish()?;
        }
        Ok(Disturbed { succeeded, is_disturbed })
    }
}

/// How a disturbed call ended.
pub(super) struct Disturbed {
    pub(super) succeeded: bool,
    /// Whether a call to the system failed.
    pub(super) is_disturbed: bool,
}

impl<'a> Trial<'a> {
    /// A folder `work` in a folder for the trial, with what the scenario needs.
    pub(super) fn new(workshop: &'a Workshop, prepared: &'a Prepared, beside: &Path) -> Result<Self> {
        let (place, hub) = workshop.place(beside, &prepared.before)?;
        Ok(Trial { workshop, prepared, place, hub, has_lost_power: false })
    }

    /// Calls the command.
    pub(super) fn begin(&self, environment: &Environment) -> Result<Running> {
        program::start(&self.workshop.mg, &self.place, self.prepared.scenario.command, environment)
    }

    /// Whether the command succeeded, and left what it should, or failed as it may.
    pub(super) fn ended(&self, ending: &Ending) -> Result<bool> {
        let succeeded = ending.judged()?;
        if succeeded {
            self.compare().with_context(|| format!("`{}` said that it succeeded", ending.line))?;
        } else {
            self.check_hub(false)?;
        }
        Ok(succeeded)
    }

    /// Goes on with what was interrupted some time ago.
    pub(super) fn go_on(&self) -> Result<Running> {
        tree::age(&self.place.folder)?;
        let words = self.prepared.scenario.again(&tree::read(&self.place.folder)?);
        program::start(&self.workshop.mg, &self.place, words, &Environment::new())
    }

    /// Goes on to the end: nothing may be lost, and nothing may be left.
    pub(super) fn finish(&self) -> Result<()> {
        let ending = self.go_on()?.wait()?;
        ending.succeeded()?;
        self.compare().with_context(|| format!("after `{}`", ending.line))
    }

    /// Puts what a loss of power left in place of what is there.
    pub(super) fn lose_power(&mut self, left: &Tree) -> Result<()> {
        self.has_lost_power = true;
        tree::write(left, &self.place.folder)
    }

    fn compare(&self) -> Result<()> {
        let Prepared { scenario, after, .. } = self.prepared;
        scenario.compare(&tree::read(&self.place.folder)?, after)?;
        scenario.look.map_or(Ok(()), |words| self.look(words))?;
        self.check_hub(true)
    }

    /// A call that looks at what was left finds nothing that it cannot read.
    fn look(&self, words: &str) -> Result<()> {
        let ending = self.workshop.call(&self.place, words)?;
        ending.succeeded()?;
        let seen: Value = serde_json::from_str(&ending.stdout).with_context(|| ending.line.clone())?;
        let unreadable = seen["unreadable"].as_array().with_context(|| ending.line.clone())?;
        let clocks = self.prepared.scenario.clocks;
        let is_clock =
            |what: &Value| clocks.iter().any(|clock| what.as_str().is_some_and(|w| w.contains(clock)));
        let bad = unreadable.iter().find(|what| !self.has_lost_power || !is_clock(what));
        bad.map_or(Ok(()), |what| bail!("`{}` cannot read {what}", ending.line))
    }

    fn check_hub(&self, is_the_end: bool) -> Result<()> {
        let Some(folder) = self.prepared.scenario.published else { return Ok(()) };
        let files = self.prepared.after.iter().filter_map(|(path, entry)| {
            matches!(entry, Entry::File(_)).then_some((path.strip_prefix(folder)?.to_owned(), entry.clone()))
        });
        self.hub.check_published(&files.collect(), is_the_end)
    }
}
