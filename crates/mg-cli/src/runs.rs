use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use mg_train::Report;
use mg_train::config::{Config, Source, resolve};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the runs in a folder
    List {
        /// The folder
        #[arg(default_value = "runs")]
        folder: PathBuf,
    },
    /// Look at a run: what it learns, how far it is, its last metrics
    Show {
        /// The run directory
        run: PathBuf,
    },
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List { folder } => list(folder),
        Command::Show { run } => show(run),
    }
}

/// A run as it lies on disk; reading it disturbs no process that writes to it.
struct OnDisk {
    path: PathBuf,
    config: Config,
    last: Option<Report>,
    rollbacks: usize,
    seconds: Option<f64>,
}

impl OnDisk {
    fn read(path: &Path) -> Result<Self> {
        let config = resolve(&[Source::file(&path.join("config.toml"))?])?;
        let metrics = fs::read_to_string(path.join("metrics.jsonl")).unwrap_or_default();
        let reports = metrics.lines().filter_map(|line| serde_json::from_str::<Report>(line).ok());
        let times = fs::read_to_string(path.join("times.jsonl")).unwrap_or_default();
        let seconds = times
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["seconds"].as_f64());
        let rollbacks = metrics.matches("\"rolled back\"").count();
        Ok(OnDisk { path: path.to_path_buf(), config, last: reports.last(), rollbacks, seconds })
    }

    fn line(&self) -> String {
        let done = self.last.as_ref().map_or(0, |report| report.iteration);
        let minutes = self.seconds.map_or("-".into(), |s| format!("{:.1} min", s / 60.0));
        let grids: Vec<String> = self.config.model.grids.iter().map(ToString::to_string).collect();
        format!(
            "{:<28} {:>7}/{:<7} {:>10}  {:<14} {}",
            self.path.display(),
            done,
            self.config.learn.iterations,
            minutes,
            grids.join("-"),
            self.config.data.source
        )
    }
}

fn list(folder: &Path) -> Result<()> {
    if !folder.exists() {
        tracing::info!("no run yet: there is no folder {}; `mg train` makes one", folder.display());
        return Ok(());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.join("config.toml").is_file());
    paths.sort();
    for path in paths {
        match OnDisk::read(&path) {
            Ok(run) => println!("{}", run.line()),
            Err(error) => println!("{:<28} unreadable: {error:#}", path.display()),
        }
    }
    Ok(())
}

fn show(path: &Path) -> Result<()> {
    let run = OnDisk::read(path)?;
    let config = &run.config;
    println!("run        {}", path.display());
    println!("data       {} ({} {})", config.data.source, config.data.split, config.data.class);
    println!("grids      {:?}", config.model.grids);
    let done = run.last.as_ref().map_or(0, |report| report.iteration);
    println!("iteration  {done} of {}", config.learn.iterations);
    if let Some(seconds) = run.seconds {
        println!("time       {:.1} min", seconds / 60.0);
    }
    if run.rollbacks > 0 {
        println!("rollbacks  {}", run.rollbacks);
    }
    for grid in run.last.iter().flat_map(|report| &report.grids) {
        println!(
            "grid {0:<5} gap {1:+.4}  score {2:.4}  difference {3:.1} of 255  deviation {4:.3} (data {5:.3})",
            grid.side, grid.gap, grid.score, grid.difference, grid.deviation, grid.data_deviation
        );
    }
    let model = path.join("model.safetensors");
    if model.is_file() {
        println!("model      {}", model.display());
    }
    Ok(())
}
