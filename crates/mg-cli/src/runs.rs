use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use mg_figures::Curves;
use mg_train::config::{Config, Source, resolve};
use mg_train::{GridReport, Report};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the runs in a folder
    List {
        /// The folder
        #[arg(default_value = "runs")]
        folder: PathBuf,
    },
    /// Draw curves as SVG: of one run the gap and the pixel deviation of every grid, of several runs these grid by grid
    /// over iterations, with a table of their last means
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
        Command::Plot { runs, out, clock } => {
            let out = out.as_deref().unwrap_or(&runs[0]);
            match runs.as_slice() {
                [run] => plot(run, out),
                several => compare(several, out, *clock),
            }
        }
    }
}

/// A run as it lies on disk; reading it disturbs no process that writes to it.
struct OnDisk {
    path: PathBuf,
    config: Config,
    reports: Vec<Report>,
    rollbacks: usize,
    /// Minutes at the end of iterations, by their number.
    minutes: BTreeMap<u64, f64>,
}

impl OnDisk {
    fn read(path: &Path) -> Result<Self> {
        let config = resolve(&[Source::file(&path.join("config.toml"))?])?;
        let metrics = fs::read_to_string(path.join("metrics.jsonl")).unwrap_or_default();
        let reports = metrics.lines().filter_map(|line| serde_json::from_str::<Report>(line).ok()).collect();
        let times = fs::read_to_string(path.join("times.jsonl")).unwrap_or_default();
        let times = times.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let minutes =
            times.filter_map(|line| Some((line["iteration"].as_u64()?, line["seconds"].as_f64()? / 60.0)));
        let rollbacks = metrics.matches("\"rolled back\"").count();
        Ok(OnDisk { path: path.to_path_buf(), config, reports, rollbacks, minutes: minutes.collect() })
    }

    fn last(&self) -> Option<&Report> {
        self.reports.last()
    }

    fn total_minutes(&self) -> Option<f64> {
        self.minutes.values().next_back().copied()
    }

    fn line(&self) -> String {
        let done = self.last().map_or(0, |report| report.iteration);
        let minutes = self.total_minutes().map_or("-".into(), |minutes| format!("{minutes:.1} min"));
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
            Ok(run) => say!("{}", run.line()),
            Err(error) => say!("{:<28} unreadable: {error:#}", path.display()),
        }
    }
    Ok(())
}

fn show(path: &Path) -> Result<()> {
    let run = OnDisk::read(path)?;
    let config = &run.config;
    say!("run        {}", path.display());
    say!("data       {} ({} {})", config.data.source, config.data.split, config.data.class);
    say!("grids      {:?}", config.model.grids);
    let done = run.last().map_or(0, |report| report.iteration);
    say!("iteration  {done} of {}", config.learn.iterations);
    if let Some(minutes) = run.total_minutes() {
        say!("time       {minutes:.1} min");
    }
    if run.rollbacks > 0 {
        say!("rollbacks  {}", run.rollbacks);
    }
    for grid in run.last().iter().flat_map(|report| &report.grids) {
        say!(
            "grid {0:<5} gap {1:+.4}  score {2:.4}  difference {3:.1} of 255  deviation {4:.3} (data {5:.3})",
            grid.side,
            grid.gap,
            grid.score,
            grid.difference,
            grid.deviation,
            grid.data_deviation
        );
    }
    let model = path.join("model.safetensors");
    if model.is_file() {
        say!("model      {}", model.display());
    }
    Ok(())
}

/// Curves over minutes; over iterations where no times were kept.
fn plot(path: &Path, out: &Path) -> Result<()> {
    let run = OnDisk::read(path)?;
    anyhow::ensure!(
        !run.reports.is_empty(),
        "{} has no iteration yet, so no curve; train it first",
        path.display()
    );
    crate::output::make_folder(out)?;
    let timed = run.reports.iter().all(|report| run.minutes.contains_key(&report.iteration));
    let x_label = if timed { "minutes" } else { "iteration" };
    let x = |report: &Report| if timed { run.minutes[&report.iteration] } else { report.iteration as f64 };
    let curve = |side: usize, y: fn(&GridReport) -> f64| -> Vec<(f64, f64)> {
        let of = |report: &Report| Some((x(report), y(report.grids.iter().find(|grid| grid.side == side)?)));
        run.reports.iter().filter_map(of).collect()
    };
    let mut gap = Curves::new("mean f(synthesized) - mean f(observed)", x_label, "gap");
    let mut deviation = Curves::new("deviation of pixels", x_label, "chains, and data");
    for &side in run.config.sides() {
        gap = gap.line(&format!("{side}x{side}"), curve(side, |grid| grid.gap));
        deviation = deviation
            .line(&format!("{side}x{side} chains"), curve(side, |grid| grid.deviation))
            .line(&format!("{side}x{side} data"), curve(side, |grid| grid.data_deviation));
    }
    for (name, curves) in [("gap.svg", gap), ("deviation.svg", deviation)] {
        let file = out.join(name);
        curves.save(&file)?;
        say!("{}", file.display());
    }
    Ok(())
}

/// What runs are compared by.
type Quantity = (&'static str, fn(&GridReport) -> f64);
const QUANTITIES: [Quantity; 4] = [
    ("gap", |grid| grid.gap),
    ("score", |grid| grid.score),
    ("difference", |grid| grid.difference),
    ("deviation", |grid| grid.deviation),
];

/// Curves of several runs in one picture for every grid and quantity, and a table of means over the last third of what
/// all have done, by iterations or by the clock.
fn compare(paths: &[PathBuf], out: &Path, clock: bool) -> Result<()> {
    let runs = paths.iter().map(|path| OnDisk::read(path)).collect::<Result<Vec<_>>>()?;
    let sides = runs[0].config.sides();
    if let Some(other) = runs.iter().find(|run| run.config.sides() != sides) {
        let (first, other, theirs) = (runs[0].path.display(), other.path.display(), other.config.sides());
        anyhow::bail!("{first} has the grids {sides:?}, {other} {theirs:?}; compare runs of the same grids");
    }
    let x = |run: &OnDisk, report: &Report| match clock {
        true => run.minutes.get(&report.iteration).copied(),
        false => Some(report.iteration as f64),
    };
    let last = |run: &OnDisk| run.reports.iter().rev().find_map(|report| x(run, report)).unwrap_or(0.0);
    let end = runs.iter().map(last).fold(f64::INFINITY, f64::min);
    anyhow::ensure!(end > 0.0, "a run has no iteration yet, so no curve; train it first");
    let start = if clock { end * 2.0 / 3.0 } else { end - (end / 3.0).ceil() };
    crate::output::make_folder(out)?;
    let name =
        |run: &OnDisk| run.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    match clock {
        true => say!("means over minutes {start:.1} to {end:.1}"),
        false => say!("means over iterations {} to {end}", start + 1.0),
    }
    let names: String = runs.iter().map(|run| format!("{:>20}", name(run))).collect();
    say!("{:<6} {:<11} {names}", "grid", "");
    for &side in sides {
        for (quantity, of) in QUANTITIES {
            let values = |run: &OnDisk| -> Vec<(f64, f64)> {
                let grid = |report: &Report| report.grids.iter().find(|grid| grid.side == side).map(of);
                let point = |report: &Report| x(run, report).zip(grid(report));
                run.reports.iter().filter_map(point).collect()
            };
            let x_label = if clock { "minutes" } else { "iteration" };
            let mut curves = Curves::new(&format!("{quantity}, grid {side}x{side}"), x_label, quantity);
            let mut row = format!("{side:<6} {quantity:<11} ");
            for run in &runs {
                let curve = values(run);
                let inside = curve.iter().filter(|(x, _)| *x > start && *x <= end);
                row += &format!("{:>20}", mean_and_deviation(&inside.copied().collect::<Vec<_>>()));
                curves = curves.line(&name(run), curve);
            }
            curves.save(out.join(format!("{quantity}-{side}.svg")))?;
            say!("{}", row.trim_end());
        }
    }
    say!("{}", out.display());
    Ok(())
}

fn mean_and_deviation(points: &[(f64, f64)]) -> String {
    if points.is_empty() {
        return "-".to_owned();
    }
    let n = points.len() as f64;
    let mean = points.iter().map(|point| point.1).sum::<f64>() / n;
    let variance = points.iter().map(|point| (point.1 - mean).powi(2)).sum::<f64>() / n;
    format!("{mean:.3} ({:.3})", variance.sqrt())
}
