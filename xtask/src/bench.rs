//! `cargo xtask bench`: seconds per Langevin step, per sweep and per update, and those of a peer.
//!
//! Both sides print one JSON line a run. They take turns, so that whatever else the machine does falls on both,
//! and a ratio is made of neighbours only.

mod machine;
mod report;
mod sample;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::spawn;
use machine::Machine;
use report::Report;
use sample::Sample;

/// Time the Langevin sweep, alone or in turns with the PyTorch peer.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python that has torch; the peer runs only with it
    #[arg(long, value_name = "PYTHON")]
    peer: Option<String>,
    /// The peer's script, which prints the same JSON line
    #[arg(long, value_name = "FILE", default_value = "xtask/peer/torch_multigrid.py")]
    peer_script: PathBuf,
    /// Runs of each side
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Arithmetic of both sides
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Normalisation of the nets
    #[arg(long, value_enum, default_value = "none")]
    norm: Norm,
    /// Images per batch
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Threads of both sides
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write the runs to this file, and a table beside it
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    F32,
    Bf16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Norm {
    None,
    Batch,
}

/// Builds, runs and reports.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    ensure!(args.runs > 0, "--runs 0 measures nothing; give at least 1");
    if let Some(folder) = args.json.as_ref().and_then(|path| path.parent()) {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let machine = Machine::read(root);
    machine.warn_if_busy(args.threads);
    let build = ["build", "--release", "--locked", "-p", "mg-kernels", "--example", "sweep"];
    spawn::run(root, "cargo", &build, &[])?;

    let options = options(args);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let examples = spawn::target_dir(root)?.join("release/examples");
    let ours = examples.join(format!("sweep{}", std::env::consts::EXE_SUFFIX));
    let ours = ours.to_str().context("the target folder is not UTF-8")?;
    let script = args.peer_script.to_str().context("--peer-script is not UTF-8")?;
    let mut report = Report::new(machine, options.join(" "));
    println!("{}", Sample::header());
    for run in 0..args.runs {
        let mut pair = (None, None);
        // Who goes first changes from run to run: a drift of the clock then falls on both sides.
        for turn in 0..2 {
            if (run + turn) % 2 == 0 {
                pair.0 = Some(Sample::measure(root, "ours", ours, &options)?);
            } else if let Some(python) = &args.peer {
                pair.1 =
                    Some(Sample::measure(root, "peer", python, &[&[script], options.as_slice()].concat())?);
            }
        }
        report.push(pair.0.context("our side did not run")?, pair.1);
    }
    print!("\n{}", report.markdown());
    if let Some(path) = &args.json {
        report.write(&root.join(path))?;
    }
    Ok(())
}

/// The options that both sides understand.
fn options(args: &Args) -> Vec<String> {
    let pairs = [
        ("--precision", name(&args.precision)),
        ("--norm", name(&args.norm)),
        ("--batch", args.batch.to_string()),
        ("--threads", args.threads.to_string()),
    ];
    pairs.into_iter().flat_map(|(option, value)| [option.to_string(), value]).collect()
}

/// A choice as it is written on the command line.
fn name(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}
