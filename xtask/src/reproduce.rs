//! The paper's tables and figures, each by one command. What is run is data, in `experiments/`; here it is filled in, run
//! unless its result is there, and told.

mod call;
mod code;
mod content;
mod done;
mod earlier;
mod experiment;
mod filling;
mod markdown;
mod measured;
mod outcome;
mod page;
mod plan;
mod publication;
mod report;
mod run_state;
mod runner;
mod scope;
mod session;
mod sets;
mod template;
mod variables;
mod word;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::machine::Machine;
use crate::spawn;
use code::Code;
use content::Hashes;
use experiment::Experiment;
use session::Session;
use sets::Sets;

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
    /// Add to the report that is there: what the same commands made before stays, whatever the code was, and is not run again
    #[arg(long)]
    add: bool,
    /// Run what is asked for again, though the report has it: since the code is faster, or better
    #[arg(long, requires = "add")]
    again: bool,
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

/// Hashes of data, from call to call.
const HASHES: &str = "target/reproduce/hashes.json";

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    // So that every path is short, and the commands can be pasted on any machine.
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    let names = if args.all { experiment::names(root)? } else { args.names.clone() };
    let read = |name: &String| Ok((name.clone(), Experiment::read(root, name)?));
    let experiments = names.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut session = session(root, args)?;
    for (name, experiment) in &experiments {
        writeln!(std::io::stdout(), "\n=== {}: {}", experiment.title, experiment.about)?;
        session.experiment(name, experiment)?;
    }
    if session.is_cut {
        println!("\nthe time is up; the same command with --resume goes on");
    }
    let failed = &session.failed;
    ensure!(
        failed.is_empty(),
        "{} failed, all else is done; the same command tries again:\n{}",
        failed.len(),
        failed.join("\n")
    );
    Ok(())
}

fn session<'a>(root: &'a Path, args: &'a Args) -> Result<Session<'a>> {
    let mg = match &args.mg {
        Some(mg) => Some(absolute(mg)?),
        None if args.dry_run => None,
        None => Some(build(root)?),
    };
    let mut hashes = Hashes::open(root.join(HASHES));
    let code = Code::read(root, mg.as_deref(), &mut hashes)?;
    if code.is_dirty() && !args.dry_run {
        eprintln!("note: crates/ holds changes that are in no commit; the results will say so");
    }
    let machine = Machine::read(root);
    let mg = mg.as_deref().map_or(Some("mg"), Path::to_str).context("the path of mg is no text")?;
    Ok(Session {
        root,
        args,
        mg: mg.to_owned(),
        code,
        sets: Sets::read(root)?,
        hashes,
        machine: machine.describe(),
        revision: machine.revision,
        start: Instant::now(),
        is_cut: false,
        failed: Vec::new(),
    })
}

/// Builds `mg` as the README does, and says where it is.
fn build(root: &Path) -> Result<PathBuf> {
    spawn::run(root, "cargo", &["build", "--release", "--quiet", "--locked", "-p", "mg-cli"], &[])?;
    absolute(&spawn::target_dir(root)?.join(format!("release/mg{}", std::env::consts::EXE_SUFFIX)))
}

fn absolute(mg: &Path) -> Result<PathBuf> {
    mg.canonicalize().with_context(|| format!("no mg at {}", mg.display()))
}
