//! Smoke runs: the `mg` binary, as a stranger would use it, at the smallest size that still does everything.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::spawn;

/// One call of `mg`.
struct Smoke {
    /// Words separated by spaces; `{dir}` is the folder of this smoke test.
    args: &'static str,
    /// Files, below `{dir}`, that must be there and not be empty afterwards.
    makes: &'static [&'static str],
}

const RUNS: &[Smoke] = &[
    Smoke { args: "data list", makes: &[] },
    Smoke { args: "config show", makes: &[] },
    Smoke {
        args: "train --steps 2 --run {dir}/run --threads 2 --set learn.batch=8",
        makes: &["run/config.toml", "run/metrics.jsonl", "run/model.safetensors"],
    },
    Smoke { args: "train --steps 3 --run {dir}/run --threads 2 --resume", makes: &["run/model.safetensors"] },
    Smoke { args: "runs list", makes: &[] },
    Smoke { args: "sample {dir}/run -n 4 --seed 1 --out {dir}/samples", makes: &["samples"] },
    Smoke {
        args: "inpaint {dir}/run --input portraits -n 4 --mask square --out {dir}/inpainted",
        makes: &["inpainted"],
    },
];

/// Tries the `mg` that was built for the tests.
pub(crate) fn run(root: &Path) -> Result<()> {
    let target = spawn::target_dir(root)?;
    let dir = target.join("smoke");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mg = built(root)?;
    let (mg, folder) = (text(&mg)?, text(&dir)?);
    for smoke in RUNS {
        let args: Vec<String> = smoke.args.split(' ').map(|word| word.replace("{dir}", folder)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let seconds = spawn::run(root, mg, &args, &[])?;
        println!("  took {seconds:.1} s");
        if let Some(missing) = smoke.makes.iter().find(|made| is_empty(&dir.join(made))) {
            bail!("`mg {}` succeeded but left nothing at {folder}/{missing}", args.join(" "));
        }
    }
    Ok(())
}

/// The `mg` that the tests have tried, which is optimised too: another build would take as long as all other steps.
pub(crate) fn built(root: &Path) -> Result<PathBuf> {
    spawn::run(root, "cargo", &["test", "--workspace", "--locked", "--no-run", "--quiet"], &[])?;
    Ok(spawn::target_dir(root)?.join(format!("debug/mg{}", std::env::consts::EXE_SUFFIX)))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Whether there is no such file or folder, or nothing in it.
fn is_empty(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => path.metadata().map_or(true, |file| file.len() == 0),
    }
}
