//! One call of `cargo xtask reproduce`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Args;
use super::call::Call;
use super::code::Code;
use super::content::Hashes;
use super::done::Done;
use super::earlier::Earlier;
use super::experiment::{Experiment, Stage};
use super::filling::{Attempt, Filling};
use super::measured::Measured;
use super::outcome::{Outcome, Picture, SeedRun, number};
use super::plan::{PlannedRow, Planner};
use super::publication;
use super::runner::Runner;
use super::sets::Sets;

/// What all experiments of a call share.
pub(super) struct Session<'a> {
    pub(super) root: &'a Path,
    pub(super) args: &'a Args,
    /// The program.
    pub(super) mg: String,
    pub(super) code: Code,
    pub(super) sets: Sets,
    pub(super) hashes: Hashes,
    /// Of this checkout.
    pub(super) revision: String,
    pub(super) machine: String,
    pub(super) start: Instant,
    /// Time ran out before all was done.
    pub(super) is_cut: bool,
    /// What went wrong, by experiment, row and seed.
    pub(super) failed: Vec<String>,
}

impl Session<'_> {
    /// Runs what an experiment lacks and writes its report. A row that fails is told there, and the others go on.
    pub(super) fn experiment(&mut self, name: &str, experiment: &Experiment) -> Result<()> {
        let profile = experiment.profile(&self.args.profile)?;
        let results = Path::new("runs/reproduce").join(&self.args.profile);
        let folder = self.folder(name);
        let earlier = if self.args.add { Earlier::read(&folder)? } else { Earlier::default() };
        let filling = Filling {
            experiment,
            profile,
            data: self.args.data.as_deref(),
            code: &self.code,
            sets: &self.sets,
            folder: &results,
            is_dry: self.args.dry_run,
        };
        let seeds = if self.args.seeds.is_empty() { &profile.seeds } else { &self.args.seeds };
        let planner =
            Planner { filling, seeds, only: &self.args.only, earlier: &earlier, again: self.args.again };
        let plan = planner.rows(&mut self.hashes)?;
        for PlannedRow { row, outdated, .. } in &plan {
            for seed in outdated {
                let row = &row.name;
                eprintln!(
                    "note: {name}, {row}, seed {seed}: made by other commands than today's, so it is left out"
                );
            }
        }
        let gone = |row: &&str| plan.iter().all(|planned| planned.row.name != *row);
        for row in earlier.rows().filter(gone) {
            eprintln!("note: {name}, {row}: the experiment has no such row any more, so it is left out");
        }
        if self.args.dry_run {
            return print(&plan);
        }
        let mut rows: Vec<Outcome> = plan.into_iter().map(|planned| self.row(experiment, planned)).collect();
        number(&mut rows);
        let measured = Measured {
            experiment,
            profile,
            profile_name: &self.args.profile,
            revision: &self.revision,
            data: self.data(),
            rows,
        };
        println!("\n{}", publication::write(&measured, &folder)?);
        println!("cargo xtask reproduce {name} --profile {}: {}", self.args.profile, folder.display());
        Ok(())
    }

    fn row(&mut self, experiment: &Experiment, planned: PlannedRow<'_>) -> Outcome {
        let mut runs = planned.earlier;
        for (attempt, earlier) in planned.attempts {
            let mut run = SeedRun { seed: attempt.seed, task: attempt.task.clone(), ..SeedRun::default() };
            let title = format!("{}, {}, seed {}", experiment.title, planned.row.name, attempt.seed);
            match self.attempt(&title, &attempt, &mut run) {
                Ok(is_whole) => {
                    run.is_whole = is_whole;
                    self.is_cut |= !is_whole;
                }
                Err(error) => {
                    // As commands are told: where `mg` lies here is nobody else's concern.
                    let failure = format!("{error:#}").replace(&self.mg, "mg");
                    let line = format!("{title}: {failure}");
                    eprintln!("{line}");
                    run.failure = Some(failure);
                    self.failed.push(line);
                }
            }
            runs.push(earlier.filter(|_| !run.is_whole).unwrap_or(run));
        }
        runs.sort_by_key(|run| run.seed);
        if self.args.without_photographs {
            runs = runs.into_iter().map(SeedRun::without_photographs).collect();
        }
        Outcome { runs, ..Outcome::new(planned.row) }
    }

    /// All stages of a row with one seed; false when time ran out.
    fn attempt(&self, title: &str, attempt: &Attempt<'_>, run: &mut SeedRun) -> Result<bool> {
        for (stage, call) in &attempt.calls {
            let Some(done) = self.done(&format!("{title}: {}", stage.name), stage, call)? else {
                return Ok(false);
            };
            run.commands.push(Done { command: call.line(), ..done });
            for (column, pointer) in &stage.values {
                run.values.insert(column.clone(), call.value(pointer)?);
            }
            let picture =
                |(file, shows): &(String, String)| Picture::new(call.out.join(file), shows, stage.shows_data);
            run.pictures.extend(stage.pictures.iter().map(picture));
        }
        Ok(true)
    }

    /// How the result of a stage came to be, which is run unless its result is there; `None` when time ran out.
    fn done(&self, title: &str, stage: &Stage, call: &Call) -> Result<Option<Done>> {
        // A result of an `mg` that did not say every number yet is not whole.
        let is_whole = stage.values.values().all(|pointer| call.value(pointer).is_ok());
        if let Some(done) = Done::read(&call.out).filter(|_| is_whole) {
            return Ok(Some(done));
        }
        println!("\n# {title}");
        let left = self.args.budget.map(|budget| budget.saturating_sub(self.start.elapsed()));
        let is_up = left.is_some_and(|left: Duration| left.is_zero());
        if is_up || !self.runner().run(call, left)? {
            return Ok(None);
        }
        Done::read(&call.out).context("a finished stage left nothing").map(Some)
    }

    fn runner(&self) -> Runner<'_> {
        let Session { root, mg, code, machine, .. } = self;
        Runner { root, mg, code, machine, resume: self.args.resume }
    }

    /// What must be said of data that are not the profile's.
    fn data(&self) -> Option<String> {
        let data = self.args.data.as_ref()?;
        let note = self.args.data_note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        Some(format!("The data are {data}{note}."))
    }

    /// Where a report goes.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = match &self.args.out {
            Some(out) => out.clone(),
            None if self.args.profile == "smoke" => PathBuf::from("runs/reproduce/smoke/report"),
            None => PathBuf::from("results"),
        };
        folder.join(format!("{name}-{}", self.args.profile))
    }
}

/// The commands, to copy and paste.
fn print(plan: &[PlannedRow<'_>]) -> Result<()> {
    for (_, call) in plan.iter().flat_map(|row| &row.attempts).flat_map(|(attempt, _)| &attempt.calls) {
        writeln!(std::io::stdout(), "{}", call.line())?;
    }
    Ok(())
}
