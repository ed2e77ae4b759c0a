//! The paper's tables and figures, each by one command. What is run is data, in `experiments/`; here it is filled in, run
//! unless its result is there, and told.

mod experiment;
mod page;
mod report;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::machine::Machine;
use crate::spawn;
use experiment::{Experiment, Row};
use report::{Outcome, Picture, Report};
use stage::{Call, Done, Filler};

/// Make a table or figure of the paper: `table1` to `table4`, `figure1` to `figure6`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tables and figures
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Scale: `smoke` (minutes, embedded data), `cpu` (hours on two cores, real data), `full` (the paper's, on a GPU)
    #[arg(long, default_value = "smoke")]
    profile: String,
    /// Seeds; as the profile says unless given
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Only this row; may be given more than once
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// In place of the profile's data: a set (a name, a folder), for both learning and testing
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// What must be said of that data beside every number: "SVHN subset, own split by house"
    #[arg(long, value_name = "TEXT", requires = "data")]
    data_note: Option<String>,
    /// Stop after so much time: 90m, 2h; the same command goes on
    #[arg(long, value_name = "TIME", value_parser = budget)]
    budget: Option<Duration>,
    /// Go on with trainings that were interrupted, not anew
    #[arg(long)]
    resume: bool,
    /// An `mg` that is built already; else it is built, optimised
    #[arg(long, value_name = "FILE")]
    mg: Option<PathBuf>,
    /// Print the commands and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out pictures that show images of the data, for a report that goes where those must not
    #[arg(long)]
    without_photographs: bool,
    /// Folder for the report; `results` unless given, and for `smoke` a folder that git ignores
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn budget(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        _ => return Err("give a number with h, m or s".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "give a number with h, m or s".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

/// What all experiments of one call share.
struct Session<'a> {
    root: &'a Path,
    args: &'a Args,
    mg: String,
    revision: String,
    machine: String,
    /// Of the presets, which decide what `mg train` does.
    presets: String,
    start: Instant,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    // So that every path is short, and the commands can be pasted on any machine.
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    let names = if args.all { experiment::names(root)? } else { args.names.clone() };
    let experiments =
        names.iter().map(|name| Ok((name, Experiment::read(root, name)?))).collect::<Result<Vec<_>>>()?;
    let mg = match &args.mg {
        Some(mg) => text(mg)?,
        None if args.dry_run => "mg".to_owned(),
        None => build(root)?,
    };
    let machine = Machine::read(root);
    let (revision, machine) = (machine.revision.clone(), machine.describe());
    let presets = content(&root.join("crates/mg-train/presets"))?;
    let session = Session { root, args, mg, revision, machine, presets, start: Instant::now() };
    let mut ended = Ended::default();
    for (name, experiment) in &experiments {
        writeln!(std::io::stdout(), "\n=== {}: {}", experiment.title, experiment.about)?;
        session.experiment(name, experiment, &mut ended)?;
    }
    if ended.is_cut {
        println!("\nthe time is up; the same command with --resume goes on");
    }
    ensure!(
        ended.failed.is_empty(),
        "{} failed, all else is done; the same command tries again:\n{}",
        ended.failed.len(),
        ended.failed.join("\n")
    );
    Ok(())
}

/// What experiments lack at the end.
#[derive(Default)]
struct Ended {
    /// Time ran out before all was done.
    is_cut: bool,
    /// What went wrong, by experiment, row and seed.
    failed: Vec<String>,
}

/// Builds `mg` as the README does, and says where it is.
fn build(root: &Path) -> Result<String> {
    spawn::run(root, "cargo", &["build", "--release", "--quiet", "--locked", "-p", "mg-cli"], &[])?;
    let mg = spawn::target_dir(root)?.join(format!("release/mg{}", std::env::consts::EXE_SUFFIX));
    text(&mg)
}

fn text(mg: &Path) -> Result<String> {
    let mg = mg.canonicalize().with_context(|| format!("no mg at {}", mg.display()))?;
    Ok(mg.to_str().context("the path of mg is no text")?.to_owned())
}

impl Session<'_> {
    /// Runs what an experiment lacks and writes its report. A row that fails is told there, and the others go on.
    fn experiment(&self, name: &str, experiment: &Experiment, ended: &mut Ended) -> Result<()> {
        let profile = experiment.profile(&self.args.profile)?;
        for row in &self.args.only {
            let names: Vec<&str> = experiment.rows.iter().map(|row| row.name.as_str()).collect();
            ensure!(
                names.contains(&row.as_str()),
                "{} has no row {row}; it has {}",
                experiment.title,
                names.join(", ")
            );
        }
        let seeds = if self.args.seeds.is_empty() { &profile.seeds } else { &self.args.seeds };
        let mut vars = profile.vars.clone();
        if let Some(data) = &self.args.data {
            vars.iter_mut()
                .filter(|(name, _)| name.starts_with("data"))
                .for_each(|(_, value)| value.clone_from(data));
        }
        let contents = self.contents(&vars)?;
        let folder = Path::new("runs/reproduce").join(&self.args.profile);
        let mut report = Report::of(experiment, profile, &self.args.profile, &self.revision);
        report.data = self.args.data.as_ref().map(|data| {
            let note = self.args.data_note.as_ref().map_or(String::new(), |note| format!(": {note}"));
            format!("The data are {data}{note}.")
        });
        for row in &experiment.rows {
            let is_wanted = (self.args.only.is_empty() || self.args.only.contains(&row.name))
                && profile.rows.as_ref().is_none_or(|rows| rows.contains(&row.name));
            let stages = experiment.stages_of(row);
            let mut outcome = Outcome::new(row);
            if is_wanted && !stages.is_empty() {
                for &seed in seeds {
                    let filler = self.filler(&folder, &vars, row, &contents);
                    match self.row(experiment, row, seed, &filler, &mut outcome) {
                        Ok(is_whole) => ended.is_cut |= !is_whole,
                        Err(error) if self.args.dry_run => return Err(error),
                        Err(error) => {
                            // As commands are told: where `mg` lies here is nobody else's concern.
                            let failure = format!("seed {seed}: {error:#}").replace(&self.mg, "mg");
                            let line = format!("{}, {}, {failure}", experiment.title, row.name);
                            eprintln!("{line}");
                            outcome.failures.push(failure);
                            ended.failed.push(line);
                        }
                    }
                }
            }
            report.rows.push(outcome);
        }
        if self.args.dry_run {
            return Ok(());
        }
        self.write(name, &report)
    }

    fn filler<'a>(
        &'a self,
        folder: &'a Path,
        vars: &'a BTreeMap<String, String>,
        row: &'a Row,
        contents: &'a BTreeMap<String, String>,
    ) -> Filler<'a> {
        let all = vars.iter().chain(&row.vars).map(|(name, value)| (name.as_str(), value.as_str()));
        Filler { folder, vars: all.collect(), contents, presets: &self.presets }
    }

    /// All stages of a row with one seed; false when time ran out.
    fn row(
        &self,
        experiment: &Experiment,
        row: &Row,
        seed: u64,
        filler: &Filler<'_>,
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let mut earlier: BTreeMap<&str, Call> = BTreeMap::new();
        for stage in experiment.stages_of(row) {
            let call = filler.call(&stage.name, &stage.run, seed, &earlier)?;
            if self.args.dry_run {
                writeln!(std::io::stdout(), "{}", call.line())?;
                earlier.insert(&stage.name, call);
                continue;
            }
            // A result of an `mg` that did not say every number yet is not whole.
            let is_whole = stage.values.iter().all(|(_, pointer)| call.value(pointer).is_ok());
            if call.done().is_none() || !is_whole {
                let left = self.args.budget.map(|budget| budget.saturating_sub(self.start.elapsed()));
                println!("\n# {}, {}, seed {seed}: {}", experiment.title, row.name, stage.name);
                let is_up = left.is_some_and(|left| left.is_zero());
                let by = (self.revision.as_str(), self.machine.as_str());
                if is_up || !call.run(self.root, &self.mg, by, self.args.resume, left)? {
                    return Ok(false);
                }
            }
            let done = call.done().context("a finished stage left nothing")?;
            outcome.commands.push(Done { command: call.line(), ..done });
            for (column, pointer) in &stage.values {
                outcome.cells.entry(*column).or_default().values.push(call.value(pointer)?);
            }
            for (file, shows) in &stage.pictures {
                if stage.shows_data && self.args.without_photographs {
                    outcome.left_out.push(shows.clone());
                } else {
                    let (path, shows) = (call.out.join(file), format!("{}, seed {seed}: {shows}", row.name));
                    outcome.pictures.push(Picture { path, shows });
                }
            }
            earlier.insert(&stage.name, call);
        }
        Ok(true)
    }

    /// What lies where the variables of data point.
    fn contents(&self, vars: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        let mut contents = BTreeMap::new();
        for value in vars.iter().filter(|(name, _)| name.starts_with("data")).map(|(_, value)| value) {
            let path = Path::new(value);
            if path.exists() {
                contents.insert(value.clone(), content(path)?);
            } else if value.contains('/') && !self.args.dry_run {
                bail!(
                    "no data at {value}; `mg data list` names the sets there are, --data gives another place"
                );
            }
        }
        Ok(contents)
    }

    fn write(&self, name: &str, report: &Report<'_>) -> Result<()> {
        let folder = match &self.args.out {
            Some(out) => out.clone(),
            None if self.args.profile == "smoke" => PathBuf::from("runs/reproduce/smoke/report"),
            None => PathBuf::from("results"),
        };
        let folder = folder.join(format!("{name}-{}", self.args.profile));
        report.write(&folder)?;
        println!("\n{}", report.table());
        println!("cargo xtask reproduce {name} --profile {}: {}", self.args.profile, folder.display());
        Ok(())
    }
}

/// A hash of a file, or of a folder with everything below it.
fn content(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let fail = || format!("cannot read {}", path.display());
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(fail)?;
            let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            below.sort();
            waiting.extend(below.into_iter().rev());
        } else {
            let mut file = fs::File::open(&path).with_context(fail)?;
            hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            std::io::copy(&mut file, &mut Feed(&mut hash)).with_context(fail)?;
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A hash that bytes are written to.
struct Feed<'a>(&'a mut Sha256);

impl std::io::Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
