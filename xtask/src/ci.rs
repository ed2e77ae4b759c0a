//! What continuous integration runs, in order of cost, so that cheap mistakes show first.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::repo::Repo;
use crate::{faults, smoke, spawn, tidy, wasm};

/// Run what continuous integration runs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this step only; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    /// The formatter has nothing to change
    Fmt,
    /// The architecture checks pass
    Tidy,
    /// Clippy has nothing to say, on any target
    Clippy,
    /// The documentation builds without warnings
    Doc,
    /// All tests pass
    Test,
    /// Models and what they need compile for browsers
    Wasm,
    /// Every published crate can be packaged
    Package,
    /// The mg binary learns, resumes, samples and inpaints
    Smoke,
    /// The mg binary is disturbed, and loses nothing: the short form of `cargo xtask faults`
    Faults,
    /// Every table and figure of the paper is made, at the smallest scale
    Reproduce,
    /// Every library compiles by itself, without features that a neighbour switches on; only with `--only`, for it
    /// checks all packages again for every set of features
    Alone,
}

/// Runs the steps, stops at the first that fails, and ends with a table of times.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let steps: Vec<Step> = match args.only.as_slice() {
        [] => Step::value_variants().iter().copied().filter(|&step| step != Step::Alone).collect(),
        only => only.to_vec(),
    };
    let mut times = Vec::new();
    for step in steps {
        println!("\n=== {step:?}");
        let start = Instant::now();
        let done = run_step(root, step);
        times.push((step, start.elapsed().as_secs_f64()));
        if let Err(error) = done {
            print_times(&times);
            let again = format!("{step:?}").to_lowercase();
            return Err(error).with_context(|| format!("ci failed; again: cargo xtask ci --only {again}"));
        }
    }
    print_times(&times);
    println!("ci: all passed");
    Ok(())
}

fn print_times(times: &[(Step, f64)]) {
    println!();
    for (step, seconds) in times {
        println!("{:<8} {seconds:7.1} s", format!("{step:?}").to_lowercase());
    }
    println!("{:<8} {:7.1} s", "total", times.iter().map(|(_, seconds)| seconds).sum::<f64>());
}

fn run_step(root: &Path, step: Step) -> Result<()> {
    let cargo = |args: &[&str]| spawn::run(root, "cargo", args, &[]).map(drop);
    match step {
        Step::Fmt => cargo(&["fmt", "--all", "--", "--check", "--files-with-diff"]),
        Step::Tidy => tidy::run(root),
        Step::Clippy => {
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
        }
        Step::Alone => {
            let repo = Repo::read(root)?;
            for name in repo.crates().filter(|name| repo.has(&format!("crates/{name}/src/lib.rs"))) {
                cargo(&["check", "--locked", "-p", name])?;
            }
            Ok(())
        }
        Step::Doc => {
            let args = ["doc", "--workspace", "--no-deps", "--locked"];
            spawn::run(root, "cargo", &args, &[("RUSTDOCFLAGS", "-D warnings")]).map(drop)
        }
        Step::Test => cargo(&["test", "--workspace", "--locked"]),
        Step::Wasm => wasm::run(root),
        Step::Package => package(root),
        Step::Smoke => smoke::run(root),
        Step::Faults => faults::run(root, &faults::Args::short()),
        Step::Reproduce => {
            let mg = smoke::built(root)?;
            let mg = mg.to_str().context("the path of mg is no text")?;
            let xtask = ["run", "--quiet", "--locked", "-p", "xtask", "--"];
            cargo(&[&xtask[..], &["reproduce", "--all", "--profile", "smoke", "--mg", mg]].concat())
        }
    }
}

/// crates.io refuses larger ones.
const MAX_CRATE_BYTES: u64 = 10 * 1024 * 1024;

fn package(root: &Path) -> Result<()> {
    let repo = Repo::read(root)?;
    let mut args = vec!["package", "--no-verify", "--allow-dirty", "--locked", "--quiet"];
    for name in repo.crates() {
        args.extend(["-p", name]);
    }
    spawn::run(root, "cargo", &args, &[])?;
    let folder = spawn::target_dir(root)?.join("package");
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "crate") {
            let bytes = path.metadata().with_context(|| format!("cannot look at {}", path.display()))?.len();
            println!("{:>10} bytes  {}", bytes, path.display());
            if bytes > MAX_CRATE_BYTES {
                bail!("{} is larger than crates.io accepts ({MAX_CRATE_BYTES} bytes)", path.display());
            }
        }
    }
    Ok(())
}
