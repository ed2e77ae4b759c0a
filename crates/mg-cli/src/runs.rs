mod compare;
mod plot;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use mg_train::{Methods, RunRecord};
use serde_json::{Value, json};

use crate::output::JsonArgs;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the runs in a folder
    List {
        /// The folder
        #[arg(default_value = "runs")]
        folder: PathBuf,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Draw curves as SVG: of one run every quantity, of several runs every value in a picture of its own over iterations,
    /// with a table of their last means
    Plot {
        /// Compare runs over minutes in place of iterations
        #[arg(long)]
        clock: bool,
        /// Run directories
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Folder for the files; the (first) run directory unless given
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Look at a run: what it learns, how far it is, its last metrics, what it was made with
    Show {
        /// The run directory
        run: PathBuf,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub(crate) fn run(command: &Command, methods: Methods) -> Result<()> {
    match command {
        Command::List { folder, json } => list(folder, json, methods),
        Command::Show { run, json } => show(&RunRecord::read(methods, run)?, json),
        Command::Plot { runs, out, clock, json } => {
            let out = out.as_deref().unwrap_or(&runs[0]);
            let runs = runs.iter().map(|path| RunRecord::read(methods, path));
            match runs.collect::<mg_train::Result<Vec<_>>>()?.as_slice() {
                [run] => plot::plot(run, out, json),
                several => compare::compare(several, out, *clock, json),
            }
        }
    }
}

fn list(folder: &Path, json: &JsonArgs, methods: Methods) -> Result<()> {
    if !folder.exists() {
        tracing::info!("no run yet: there is no folder {}; `mg train` makes one", folder.display());
        return Ok(());
    }
    let (mut lines, mut numbers) = (Vec::new(), Vec::new());
    for path in mg_train::run::runs(folder)? {
        match RunRecord::read(methods, &path) {
            Ok(run) => {
                lines.push(line(&run));
                numbers.push(as_json(&run));
            }
            Err(error) => {
                lines.push(format!("{:<28} unreadable: {error}", path.display()));
                numbers.push(json!({ "run": path, "error": error.to_string() }));
            }
        }
    }
    if json.write(&json!({ "runs": numbers }))? {
        for line in lines {
            say!("{line}");
        }
    }
    Ok(())
}

fn line(run: &RunRecord) -> String {
    let minutes = run.total_seconds().map_or("-".into(), |seconds| format!("{:.1} min", seconds / 60.0));
    let iterations = run.config.learn.iterations;
    let line = format!(
        "{:<28} {:>7}/{iterations:<7} {minutes:>10}  {:<14} {}",
        run.path.display(),
        run.iteration(),
        kind(run),
        run.config.data.source
    );
    line.trim_end().to_owned()
}

/// The method, and its grids where it has some.
fn kind(run: &RunRecord) -> String {
    let values = run.config.values();
    let grids: Option<Vec<String>> =
        values["model"]["grids"].as_array().map(|grids| grids.iter().map(ToString::to_string).collect());
    grids.map_or_else(|| run.config.method.name.to_owned(), |grids| grids.join("-"))
}

fn as_json(run: &RunRecord) -> Value {
    json!({
        "run": run.path,
        "iteration": run.iteration(),
        "iterations": run.config.learn.iterations,
        "seconds": run.total_seconds().unwrap_or(0.0),
        "rollbacks": run.rollbacks,
        "method": run.config.method.name,
        "config": run.config.values(),
        "last": run.reports.last(),
        "sessions": run.sessions,
        "unreadable": run.unreadable,
    })
}

fn show(run: &RunRecord, json: &JsonArgs) -> Result<()> {
    if !json.write(&as_json(run))? {
        return Ok(());
    }
    let data = &run.config.data;
    say!("run        {}", run.path.display());
    say!("method     {} ({})", run.config.method.name, kind(run));
    let split = serde_json::to_value(data.split)?;
    say!("data       {} ({} {})", data.source, split.as_str().unwrap_or_default(), data.class);
    say!("iteration  {} of {}", run.iteration(), run.config.learn.iterations);
    if let Some(seconds) = run.total_seconds() {
        say!("time       {:.1} min", seconds / 60.0);
    }
    if run.rollbacks > 0 {
        say!("rollbacks  {}", run.rollbacks);
    }
    for session in &run.sessions {
        let revision = session.revision.as_deref().map_or(String::new(), |r| format!(" at {r}"));
        say!("made by    mg {}{revision} on {}, {}", session.version, session.cpu, session.device);
        say!("           {}", session.command.join(" "));
    }
    for what in &run.unreadable {
        say!("unreadable {what}");
    }
    for (name, value) in run.reports.last().iter().flat_map(|report| &report.values) {
        say!("{name:<24} {value:.4}");
    }
    Ok(())
}
