//! The project's own fault harness: `mg` is disturbed in every way that disks, machines and numbers can, and nothing may be
//! lost, nothing left over, nothing wrong taken for right.
//!
//! Every kind of faults is a list of numbered cases, in a file of its own. A case is decided by its number alone, so that what
//! failed can be tried again. What the kinds have in common:
//!
//! - A `Scenario` is a command that leaves something, and what it must leave. Disturbed, it succeeds, or it ends with 1, an error
//!   and what to do; called again, or gone on with, it leaves what it leaves undisturbed, to the byte, and nothing else.
//! - `tests/faulty-disk` is a library that stands between `mg` and the system: it lets calls fail, ends the space, and writes
//!   down what is written. From what it wrote down, `Disk` makes what is on a disk when the power goes.

mod bits;
mod calls;
mod dice;
mod disk;
mod divergences;
mod format;
mod hubs;
mod interposed;
mod kills;
mod kind;
mod log;
mod pictures;
mod power;
mod program;
mod runner;
mod scenario;
mod space;
mod tensors;
mod tree;
mod weather;
mod workshop;

#[path = "../../crates/mg-hub/tests/it/server.rs"]
mod server;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::{smoke, spawn};
use interposed::Library;
use kind::Kind;
use runner::Runner;
use workshop::Workshop;

/// Disturb `mg` in every way that disks, machines and numbers can, and see that nothing is lost
#[derive(clap::Args)]
pub(crate) struct Args {
    /// This kind of faults only; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Name>,
    /// Some cases of every kind, spread over all of them: minutes in place of hours
    #[arg(long)]
    short: bool,
    /// This case of the kind that --only names; may be given more than once
    #[arg(long, requires = "only", conflicts_with = "short")]
    case: Vec<usize>,
    /// The mg to disturb; the one that the tests try unless given
    #[arg(long, value_name = "FILE")]
    mg: Option<PathBuf>,
    /// Cases side by side; as many as there are cores unless given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

impl Args {
    /// The short form of every kind.
    pub(crate) fn short() -> Self {
        Args { only: vec![], short: true, case: vec![], mg: None, jobs: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Name {
    /// Every call that reads or writes a file fails once (Linux)
    Calls,
    /// The disk is too small, in 41 sizes (Linux)
    Space,
    /// kill -9 at any moment
    Kills,
    /// The power goes at any moment: what was not flushed is lost, or kept in another order (Linux)
    Power,
    /// A bit of a file is another
    Bits,
    /// Learning diverges
    Divergences,
}

impl Name {
    fn word(self) -> &'static str {
        match self {
            Name::Calls => "calls",
            Name::Space => "space",
            Name::Kills => "kills",
            Name::Power => "power",
            Name::Bits => "bits",
            Name::Divergences => "divergences",
        }
    }

    /// Whether the library is needed.
    fn needs_library(self) -> bool {
        matches!(self, Name::Calls | Name::Space | Name::Power)
    }

    /// Cases of the short form.
    fn short(self) -> usize {
        match self {
            Name::Calls | Name::Power => 96,
            Name::Space | Name::Kills => 48,
            Name::Bits => 340,
            Name::Divergences => 15,
        }
    }

    fn open(self, workshop: &Workshop) -> Result<Box<dyn Kind + '_>> {
        Ok(match self {
            Name::Calls => Box::new(calls::Calls::new(workshop)?),
            Name::Space => Box::new(space::Space::new(workshop)?),
            Name::Kills => Box::new(kills::Kills::new(workshop)?),
            Name::Power => Box::new(power::Power::new(workshop)?),
            Name::Bits => Box::new(bits::Bits::new(workshop)?),
            Name::Divergences => Box::new(divergences::Divergences::new(workshop)?),
        })
    }
}

/// Tries the cases that are asked for; an error when one fails.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    ensure!(args.case.is_empty() || args.only.len() == 1, "--case is of one kind: give --only once");
    let mg = match &args.mg {
        Some(mg) => mg.canonicalize().with_context(|| format!("no mg at {}", mg.display()))?,
        None => smoke::built(root)?,
    };
    let names = if args.only.is_empty() { Name::value_variants() } else { args.only.as_slice() };
    let library = if names.iter().any(|name| name.needs_library()) { Library::build(root)? } else { None };
    let workshop = Workshop::new(mg, &spawn::target_dir(root)?.join("faults"), library)?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut failed = 0;
    for name in names {
        if name.needs_library() && workshop.library.is_none() {
            ensure!(args.only.is_empty(), "{} needs Linux", name.word());
            println!("{:<12} needs Linux, and is left out", name.word());
            continue;
        }
        let kind = name.open(&workshop).with_context(|| format!("cannot prepare {}", name.word()))?;
        let (word, kind, folder) = (name.word(), &*kind, workshop.folder.as_path());
        let cases = chosen(args, kind.cases(), name.short())?;
        failed += Runner { word, kind, folder, jobs: args.jobs.unwrap_or(cores).max(1) }.run(&cases);
    }
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} cases failed; their folders are below {}", workshop.folder.display()),
    }
}

/// The numbers of the cases to try.
fn chosen(args: &Args, cases: usize, short: usize) -> Result<Vec<usize>> {
    if let Some(case) = args.case.iter().find(|case| **case >= cases) {
        bail!("there is no case {case}: there are {cases}");
    }
    Ok(match args.case.as_slice() {
        [] if args.short => spread(cases, short),
        [] => (0..cases).collect(),
        some => some.to_vec(),
    })
}

/// So many of `cases` numbers, in order and far from each other.
fn spread(cases: usize, count: usize) -> Vec<usize> {
    let count = count.min(cases);
    (0..count).map(|number| number * cases / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_cases_are_spread_over_all() {
        assert_eq!(spread(10, 3), [0, 3, 6]);
        assert_eq!(spread(2, 5), [0, 1]);
        assert!(spread(0, 5).is_empty());
    }
}
