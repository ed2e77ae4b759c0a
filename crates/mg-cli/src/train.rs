use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mg_data::DataSet;
use mg_train::run::newest;
use mg_train::{Config, Methods, Outcome, RunDir, Selection, Training};

use crate::device::{DeviceArgs, describe};
use crate::estimate::{self, human};
use crate::hub;
use crate::output::make_folder;
use crate::session;
use crate::set::SetArgs;
use crate::settings::Settings;
use crate::uses::uses;
use crate::watcher::Watcher;

/// Learn a model.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Run directory; a new one below `runs/` unless given
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Go on with a run (the newest unless --run names one); only options that may change within a run count
    #[arg(long)]
    resume: bool,
    /// Stop after so many minutes, with a checkpoint
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<Duration>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

const RUNS: &str = "runs";

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    let device = args.device.open()?;
    let run_dir = if args.resume { Some(args.resumed()?) } else { None };
    let over = args.device.layer()?;
    let config = match &run_dir {
        Some(run_dir) => args.settings.config_over(methods, &run_dir.config_path(), over)?,
        None => args.settings.config(methods, over)?,
    };
    let config = config.pinned(&device)?;
    let on = describe(&device, config.own.precision());
    let mut training = match run_dir {
        Some(run_dir) => {
            let training = Training::resume(run_dir, &config, &args.images(&config, &on)?, &device)?;
            training.run_dir().write_config(&config)?;
            training
        }
        None => {
            // Before the images are read: whoever cannot have the folder should not wait for them.
            let run_dir = args.new_run(&config)?;
            match args.images(&config, &on) {
                Ok(data) => Training::start(run_dir, &config, &data, &device)?,
                Err(error) => {
                    run_dir.discard();
                    return Err(error);
                }
            }
        }
    };
    announce(&training, args.minutes)?;
    let session = session::begin(training.run_dir().path(), on)?;
    let mut watcher = Watcher::new(&training, args.minutes)?;
    let outcome = training.run(&mut watcher);
    watcher.finish();
    let ended = session::finish(&session, training.run_dir().path());
    let outcome = outcome?; // the error that ended the run comes first
    ended?;
    conclude(outcome, &training, &watcher)
}

/// A number of minutes, with fractions.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text} is not a number of minutes"))?;
    Duration::try_from_secs_f64(60.0 * minutes).map_err(|error| format!("{text} minutes: {error}"))
}

impl Args {
    /// The images of a configuration, all of them.
    fn images(&self, config: &Config, on: &str) -> Result<DataSet> {
        let selection = Selection::of_config(config);
        let data = self.set.read(hub::selected(&selection)?)?;
        tracing::info!("{} images of {} on {on}", selection.to_learn(&data)?.len(), config.data.source);
        Ok(data)
    }

    /// A new run directory: that of `--run`, or `runs/NAME-001` or the next number that is free.
    fn new_run(&self, config: &Config) -> Result<RunDir> {
        let path = match &self.run {
            Some(path) => path.clone(),
            None => claimed_path(config)?,
        };
        Ok(RunDir::create(&path, config)?)
    }

    /// The run that goes on.
    fn resumed(&self) -> Result<RunDir> {
        if let Some(file) = self.settings.files.first() {
            let name = file.display();
            bail!("a run keeps its configuration: leave out {name}, and give what may change with --set");
        }
        ensure!(self.settings.preset.is_empty(), "a run keeps its configuration: leave out --preset");
        let path = self.run.clone().or_else(|| newest(Path::new(RUNS))).with_context(|| {
            format!("no run below {RUNS}/ to go on with; name one with --run, or leave out --resume")
        })?;
        Ok(RunDir::open(&path)?)
    }
}

/// A new folder `runs/NAME-001`, or of the next number that is free; another process cannot have it too.
fn claimed_path(config: &Config) -> Result<PathBuf> {
    let source = Path::new(&config.data.source);
    let stem = source.file_stem().map_or("run".into(), |stem| stem.to_string_lossy().to_lowercase());
    let name: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    make_folder(Path::new(RUNS))?;
    for number in 1..10_000 {
        let path = Path::new(RUNS).join(format!("{name}-{number:03}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format!("cannot create folder {}", path.display())),
        }
    }
    bail!("{RUNS}/ is full of {name}; name a folder with --run")
}

/// What is going to happen and how long it will take, before anything long happens.
fn announce(training: &Training, limit: Option<Duration>) -> Result<()> {
    let learning = training.learning();
    learning.describe().iter().for_each(|line| tracing::info!("{line}"));
    let left = learning.config().learn.iterations.saturating_sub(training.iteration());
    let one = estimate::iteration(learning)?;
    let each = one.map_or(String::new(), |one| format!(" of about {}", human(one)));
    let all = one.map(|one| one.mul_f64(left as f64));
    let end = match (limit, all) {
        (Some(limit), all) if all.is_none_or(|all| limit < all) => {
            format!("as many as fit into {}", human(limit))
        }
        (_, Some(all)) => format!("about {} in all", human(all)),
        (_, None) => "how long they take is seen after the first".to_string(),
    };
    tracing::info!("{left} iterations{each}: {end}; Ctrl-C stops with a checkpoint, --resume goes on");
    let path = training.run_dir().path();
    tracing::info!("run {}: sheets of images in {}", path.display(), path.join("sheets").display());
    Ok(())
}

fn conclude(outcome: Outcome, training: &Training, watcher: &Watcher) -> Result<()> {
    let path = training.run_dir().path().display();
    let done = training.iteration();
    match outcome {
        Outcome::Finished => {
            tracing::info!("finished: {done} iterations in {}", human(watcher.elapsed()));
        }
        Outcome::Doubtful => tracing::warn!(
            "done with {done} iterations, of which the last are not saved: the model is that of an earlier one, and with more \
             --steps, --resume goes on from there; see the warnings above"
        ),
        Outcome::Stopped => {
            tracing::info!("stopped after {done} iterations; go on with: mg train --resume --run {path}")
        }
    }
    if let Some(command) = uses(&*training.learning().model(done)?, &path.to_string()).first() {
        tracing::info!("use it with: {command}");
    }
    say!("{path}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_number_that_is_a_time() {
        assert_eq!(minutes("1.5"), Ok(Duration::from_secs(90)));
        for bad in ["", "x", "nan", "inf", "-1", "1e30"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }
}
