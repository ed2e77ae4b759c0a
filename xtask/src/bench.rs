//! `cargo xtask bench`: seconds per Langevin step, per sweep, per update and per iteration beside those of a peer,
//! the speed of every convolution, how the cost grows, the support vector machines of table 2, iterations of the compared
//! systems, and the networks that scores look through.
//!
//! What is measured runs in processes of its own, which print JSON lines.

mod args;
mod choices;
mod layers;
mod plot;
mod report;
mod sample;
mod scaling;
mod side;
mod spread;
mod turns;

use std::path::Path;

use anyhow::{Context, Result};

use crate::machine::Machine;
pub(crate) use args::Args;
use choices::What;
use layers::Layers;
use report::{Findings, Report};
use scaling::Scaling;
use side::Side;
use turns::Turns;

/// Builds, runs and reports.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    args.check()?;
    if let Some(folder) = args.json.as_ref().and_then(|path| path.parent()) {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let machine = Machine::read(root);
    machine.warn_if_busy(args.threads());
    let findings = measure(root, args)?;
    let report = Report::new(machine, args.settings(), findings);
    print!("\n{}", report.markdown());
    if let Some(path) = &args.json {
        report.write(root, &root.join(path))?;
    }
    Ok(())
}

fn measure(root: &Path, args: &Args) -> Result<Findings> {
    if args.what == What::Micro {
        return Ok(Layers::measure(root, args.runs)?.findings());
    }
    let (example, subject, script) = match args.what {
        What::Svm => (("mg-eval", "svm"), &turns::SVM, "xtask/peer/sklearn_svm.py"),
        What::Backbone => (("mg-backbone", "features"), &turns::BACKBONE, "xtask/peer/torch_backbones.py"),
        What::Baselines => {
            (("mg-baselines", "iteration"), &turns::BASELINES, "xtask/peer/torch_baselines.py")
        }
        _ => (("mg-langevin", "sweep"), &turns::SWEEP, "xtask/peer/torch_multigrid.py"),
    };
    let (ours, options) = (Side::ours(root, example, args.device().features())?, args.options());
    if args.what == What::Scaling {
        return Ok(Scaling::measure(root, &ours, &options, args.runs)?.findings());
    }
    let script = args.peer_script.as_deref().unwrap_or(Path::new(script));
    let script = script.to_str().context("--peer-script is not UTF-8")?;
    let compile = args.peer_compile.then_some("--compile");
    let peer = args.peer.as_ref().map(|python| Side::peer(python, script, compile));
    Ok(Turns::measure(root, subject, (&ours, peer.as_ref()), &options, args.runs)?.findings())
}
