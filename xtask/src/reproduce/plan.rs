//! What an experiment runs, filled in before anything is run, so that a mistake in it costs no time.

use anyhow::{Context, Result, ensure};

use super::content::Hashes;
use super::earlier::Earlier;
use super::experiment::Row;
use super::filling::{Attempt, Filling};
use super::outcome::SeedRun;

/// Which rows and seeds are run.
pub(super) struct Planner<'e, 's> {
    pub(super) filling: Filling<'e, 's>,
    pub(super) seeds: &'s [u64],
    /// Only these rows; all where it is empty.
    pub(super) only: &'s [String],
    /// The report that is added to: what it has is not run again.
    pub(super) earlier: &'s Earlier,
    /// Except what is asked for.
    pub(super) again: bool,
}

/// A row, and what is run for it.
pub(super) struct PlannedRow<'a> {
    pub(super) row: &'a Row,
    /// What the report that is added to has.
    pub(super) earlier: Vec<SeedRun>,
    /// Seeds that report has of other commands, which are neither kept nor made again.
    pub(super) outdated: Vec<u64>,
    /// What is run, each with what stays of that report if it does not come to its end.
    pub(super) attempts: Vec<(Attempt<'a>, Option<SeedRun>)>,
}

impl<'e> Planner<'e, '_> {
    /// All rows, with the calls of those that are wanted.
    ///
    /// # Errors
    /// A row that is not there; a variable that is not there, or cannot stand where it does; a set that is not there.
    pub(super) fn rows(&self, hashes: &mut Hashes) -> Result<Vec<PlannedRow<'e>>> {
        for name in self.only {
            let names: Vec<&str> = self.filling.experiment.rows.iter().map(|row| row.name.as_str()).collect();
            let title = &self.filling.experiment.title;
            ensure!(names.contains(&name.as_str()), "{title} has no row {name}; it has {}", names.join(", "));
        }
        let plan = |row: &'e Row| self.row(row, hashes).with_context(|| self.filling.experiment.file.clone());
        self.filling.experiment.rows.iter().map(plan).collect()
    }

    fn row(&self, row: &'e Row, hashes: &mut Hashes) -> Result<PlannedRow<'e>> {
        let wanted = if self.is_wanted(row) { self.seeds } else { &[] };
        let mut seeds: Vec<u64> = wanted.iter().copied().chain(self.earlier.seeds(&row.name)).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let mut planned = PlannedRow { row, earlier: Vec::new(), outdated: Vec::new(), attempts: Vec::new() };
        for attempt in self.filling.attempts(row, &seeds, hashes)? {
            let is_wanted = wanted.contains(&attempt.seed);
            match self.earlier.run(&row.name, attempt.seed, &attempt.task) {
                Some(run) if is_wanted && self.again => planned.attempts.push((attempt, Some(run))),
                Some(run) => planned.earlier.push(run),
                None if is_wanted => planned.attempts.push((attempt, None)),
                None => planned.outdated.push(attempt.seed),
            }
        }
        Ok(planned)
    }

    fn is_wanted(&self, row: &Row) -> bool {
        let is_asked_for = self.only.is_empty() || self.only.contains(&row.name);
        is_asked_for && self.filling.profile.rows.as_ref().is_none_or(|rows| rows.contains(&row.name))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::code::Code;
    use super::super::earlier::VERSION;
    use super::super::experiment::Experiment;
    use super::super::sets::Sets;
    use super::*;

    const GOOD: &str = "title = 't'\nabout = ''\nsource = ''\n\
        [[stages]]\nname = 'train'\nrun = ['train', '--data', '{data}', '{learn}', '--seed={seed}', '--run', '{out}']\n\
        [[stages]]\nname = 'eval'\nrun = ['eval', '{train}', '--note', '{note}']\n\
        [[rows]]\nname = 'r'\nvars = { note = 'two words', grids = '[1,4]' }\n\
        [[rows]]\nname = 'elsewhere'\nstages = []\n\
        [profiles.p]\ndiffers = ''\nseeds = [1, 2]\n[profiles.p.vars]\ndata = 'portraits'\nlearn = ['--set', 'grids={grids}']\n";

    fn plan<'e>(
        experiment: &'e Experiment,
        (data, seeds, only): (Option<&str>, &[u64], &[String]),
        (earlier, again): (&Earlier, bool),
    ) -> Result<Vec<PlannedRow<'e>>> {
        let code = Code { version: String::new(), revision: String::new(), changes: None };
        let filling = Filling {
            experiment,
            profile: &experiment.profiles["p"],
            data,
            code: &code,
            sets: &Sets::read(&crate::repo::root())?,
            folder: Path::new("r"),
            is_dry: false,
        };
        let planner = Planner { filling, seeds, only, earlier, again };
        planner.rows(&mut Hashes::none())
    }

    fn lines(text: &str, data: Option<&str>, only: &[String]) -> Result<Vec<String>> {
        let experiment = Experiment::parse(text, "experiments/t.toml".to_owned())?;
        let rows = plan(&experiment, (data, &[3, 4], only), (&Earlier::default(), false))?;
        let calls = rows.iter().flat_map(|row| &row.attempts).flat_map(|(attempt, _)| &attempt.calls);
        // Keys are of no interest here.
        let line = |line: String| {
            line.split(' ')
                .map(|word| word.split("-").next().filter(|w| w.starts_with("r/")).unwrap_or(word).to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        Ok(calls.map(|(_, call)| line(call.line())).collect())
    }

    #[test]
    fn every_stage_of_every_seed_is_filled_in() {
        assert_eq!(
            lines(GOOD, None, &[]).unwrap(),
            [
                "mg train --data portraits --set 'grids=[1,4]' --seed=3 --run r/train",
                "mg eval r/train --note 'two words'",
                "mg train --data portraits --set 'grids=[1,4]' --seed=4 --run r/train",
                "mg eval r/train --note 'two words'",
            ]
        );
        assert_eq!(
            lines(GOOD, Some("my {seed} set"), &[]).unwrap()[0],
            "mg train --data 'my {seed} set' --set 'grids=[1,4]' --seed=3 --run r/train"
        );
        assert_eq!(lines(GOOD, None, &["elsewhere".to_owned()]).unwrap().len(), 0);
    }

    #[test]
    fn what_a_report_has_is_not_planned_again() {
        let experiment = Experiment::parse(GOOD, "experiments/t.toml".to_owned()).unwrap();
        let planned = |seeds: &[u64], only: &[String], earlier: &Earlier, again: bool| {
            plan(&experiment, (None, seeds, only), (earlier, again)).unwrap().swap_remove(0)
        };
        let first_row =
            |seeds: &[u64], only: &[String], earlier: &Earlier| planned(seeds, only, earlier, false);
        let task = first_row(&[3], &[], &Earlier::default()).attempts[0].0.task.clone();
        let run = |seed: u64, task: &str| {
            json!({
                "seed": seed, "task": task, "is_whole": true, "values": {}, "commands": [], "pictures": [],
                "left_out": [], "failure": null,
            })
        };
        let runs = json!([run(3, &task), run(4, "of other commands")]);
        let scores = json!({ "version": VERSION, "rows": [{ "name": "r", "runs": runs }] });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scores.json"), scores.to_string()).unwrap();
        let earlier = Earlier::read(folder.path()).unwrap();
        let seeds = |row: &PlannedRow<'_>| {
            let new: Vec<u64> = row.attempts.iter().map(|(attempt, _)| attempt.seed).collect();
            (row.earlier.iter().map(|run| run.seed).collect::<Vec<_>>(), new)
        };
        assert_eq!(seeds(&first_row(&[3, 4, 5], &[], &earlier)), (vec![3], vec![4, 5]));
        let elsewhere = first_row(&[5], &["elsewhere".to_owned()], &earlier);
        assert_eq!(seeds(&elsewhere), (vec![3], vec![]), "a row that is not asked for keeps what it has");
        assert_eq!(elsewhere.outdated, [4]);
        let again = planned(&[3], &[], &earlier, true);
        assert_eq!(seeds(&again), (vec![], vec![3]));
        assert!(again.attempts[0].1.is_some(), "what is there stays until it is made again");
    }

    #[test]
    fn an_unknown_variable_is_named_with_its_file_and_stage() {
        let error =
            |from: &str, to: &str| format!("{:#}", lines(&GOOD.replace(from, to), None, &[]).unwrap_err());
        assert_eq!(
            error("{note}", "{nots}"),
            "experiments/t.toml: stage eval: there is no variable nots; there are data, grids, learn, note, out, seed, train"
        );
        assert!(
            error("grids={grids}", "grids={grid}")
                .starts_with("experiments/t.toml: stage train: there is no variable grid;")
        );
        assert!(
            error("'{data}', '{learn}'", "'{data}', '{eval}'").contains("no variable eval"),
            "a later stage"
        );
    }

    #[test]
    fn rows_and_sets_that_are_not_there_are_told() {
        let error = |data, only: &[String]| format!("{:#}", lines(GOOD, data, only).unwrap_err());
        assert!(error(None, &["q".to_owned()]).contains("t has no row q; it has r, elsewhere"));
        assert!(error(Some("data/not/there"), &[]).contains("no data at data/not/there"));
    }

    #[test]
    fn every_row_of_every_profile_of_every_experiment_can_be_filled_in() {
        let root = crate::repo::root();
        let code = Code { version: String::new(), revision: String::new(), changes: None };
        let sets = Sets::read(&root).unwrap();
        for name in super::super::experiment::names(&root).unwrap() {
            let experiment = Experiment::read(&root, &name).unwrap();
            for profile in experiment.profiles.values() {
                let filling = Filling {
                    experiment: &experiment,
                    profile,
                    data: None,
                    code: &code,
                    sets: &sets,
                    folder: Path::new("r"),
                    is_dry: true,
                };
                let earlier = &Earlier::default();
                let planner = Planner { filling, seeds: &profile.seeds, only: &[], earlier, again: false };
                planner.rows(&mut Hashes::none()).unwrap();
            }
        }
    }
}
