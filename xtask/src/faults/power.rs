//! The power goes: a folder is what its disk has kept, at any moment of a command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::dice::Dice;
use super::disk::Disk;
use super::kind::Kind;
use super::log::{Event, EventKind};
use super::tree::{Entry, Tree};
use super::weather::{WEATHERS, Weather};
use super::workshop::{Prepared, Trial, Workshop};

/// Cases are moments of scenarios, each in every weather.
pub(super) struct Power<'a> {
    workshop: &'a Workshop,
    stories: Vec<Story>,
    /// Scenario and number of calls that were done.
    moments: Vec<(usize, usize)>,
}

/// What a scenario does to its folder.
struct Story {
    prepared: Prepared,
    events: Vec<Event>,
    /// What whole files were, by the names that they were given when they were whole.
    whole: BTreeMap<String, BTreeSet<Hash>>,
}

type Hash = [u8; 32];

impl<'a> Power<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let (mut stories, mut moments) = (Vec::new(), Vec::new());
        let prepared = workshop.scenarios(|ready| workshop.events(ready))?;
        for (number, (prepared, events)) in prepared.into_iter().enumerate() {
            let name = prepared.scenario.name;
            let story =
                Story::new(prepared, events).with_context(|| format!("what was written down of {name}"))?;
            let altered = story.events.iter().enumerate().filter(|(_, event)| event.alters());
            moments.extend(altered.map(|(at, _)| (number, at + 1)));
            stories.push(story);
        }
        Ok(Power { workshop, stories, moments })
    }

    fn of(&self, case: usize) -> (&Story, usize, Weather) {
        let (scenario, done) = self.moments[case / WEATHERS];
        (&self.stories[scenario], done, Weather::of(case % WEATHERS, Dice::of("power", case)))
    }
}

impl Story {
    fn new(prepared: Prepared, events: Vec<Event>) -> Result<Self> {
        let (mut disk, mut whole) = (Disk::new(&prepared.before), BTreeMap::<_, BTreeSet<Hash>>::new());
        for event in &events {
            disk.apply(event)?;
            if event.kind == EventKind::Rename {
                let content = disk.content(&event.more).with_context(|| event.describe())?;
                whole.entry(event.more.clone()).or_default().insert(hash(&content));
            }
        }
        // Files of lines grow under their own names until they are made whole.
        for event in events.iter().filter(|event| event.kind == EventKind::Write) {
            whole.remove(&event.path);
        }
        for (path, entry) in &prepared.before {
            if let (Entry::File(bytes), Some(versions)) = (entry, whole.get_mut(path)) {
                versions.insert(hash(bytes));
            }
        }
        // Or some call goes past the library, and what follows would be about another command.
        let found = disk.after(&mut Weather::Calm)?;
        prepared.scenario.compare(&found, &prepared.after)?;
        Ok(Story { prepared, events, whole })
    }

    /// What a disk has when the power goes after so many calls.
    fn left(&self, done: usize, weather: &mut Weather) -> Result<Tree> {
        let mut disk = Disk::new(&self.prepared.before);
        self.events[..done].iter().try_for_each(|event| disk.apply(event))?;
        disk.after(weather)
    }

    /// A file whose name appeared is whole.
    fn check_whole(&self, left: &Tree) -> Result<()> {
        for (path, entry) in left {
            if let (Entry::File(bytes), Some(versions)) = (entry, self.whole.get(path)) {
                ensure!(versions.contains(&hash(bytes)), "{path} has its name and is not whole");
            }
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

impl Kind for Power<'_> {
    fn cases(&self) -> usize {
        self.moments.len() * WEATHERS
    }

    fn describe(&self, case: usize) -> String {
        let (story, done, weather) = self.of(case);
        let (name, last) = (story.prepared.scenario.name, story.events[done - 1].describe());
        format!("{name}: power is lost after call {done}, {last}; {}", weather.describe())
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let (story, done, mut weather) = self.of(case);
        let left = story.left(done, &mut weather)?;
        story.check_whole(&left)?;
        let mut trial = Trial::new(self.workshop, &story.prepared, folder)?;
        trial.lose_power(&left)?;
        trial.finish()?;
        Ok("done again")
    }
}
