use std::path::PathBuf;

use anyhow::Result;
use indicatif::ProgressBar;
use mg_data::Labelled;
use mg_figures::{Curves, Panels};
use mg_model::multigrid::Settings;
use mg_probe::{Findings, ProbeConfig, Progress, Study, TrunkStart};
use mg_train::config::{Layer, resolve};
use mg_train::{Config, Methods, Selection};

use crate::device::{DeviceArgs, describe};
use crate::output::OutputArgs;
use crate::set::{SetArgs, observe};
use crate::{hub, progress};

/// Learn classifiers from few labels, on a model's nets or from scratch, and measure their errors (table 3).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    #[arg(required_unless_present = "supervised", conflicts_with = "supervised")]
    run: Option<PathBuf>,
    /// Learn the same nets from labels alone, from random numbers: those of the preset `full`, or as configured
    #[arg(long, conflicts_with = "trunk")]
    supervised: bool,
    /// Labelled images to draw from: a name, a folder, a parquet file, a folder in hub layout, or a packed file
    #[arg(long, value_name = "NAME|PATH")]
    data: String,
    /// Test images, of a set with splits its test split; the test split of --data unless given
    #[arg(long, value_name = "NAME|PATH")]
    test: Option<String>,
    /// Numbers of labelled images to learn from
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000,2000,4000")]
    labels: Vec<usize>,
    /// Seeds: one draw and one classifier each
    #[arg(long, value_name = "S", value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Whether the model's nets stay as they are or learn with the classifier
    #[arg(long, value_enum, default_value_t = Trunk::Frozen)]
    trunk: Trunk,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    learning: Learning,
    #[command(flatten)]
    nets: Nets,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Trunk {
    Frozen,
    FineTuned,
}

/// How classifiers learn; the defaults are those of `ProbeConfig`.
#[derive(clap::Args)]
struct Learning {
    /// Passes over the labelled images; the best by validation is kept
    #[arg(long, value_name = "N", default_value_t = ProbeConfig::default().epochs)]
    epochs: usize,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = ProbeConfig::default().batch)]
    batch: usize,
    /// Learning rate of the classifier's own two layers
    #[arg(long, value_name = "R", default_value_t = ProbeConfig::default().rate)]
    rate: f64,
    /// Learning rate of the nets below them
    #[arg(long, value_name = "R", default_value_t = ProbeConfig::default().trunk_rate)]
    trunk_rate: f64,
    /// Factor on both rates at the end
    #[arg(long, value_name = "F", default_value_t = ProbeConfig::default().decay_to)]
    decay_to: f64,
    /// Leave nets without normalisation as they are; they learn with batch normalisation otherwise
    #[arg(long)]
    no_batch_norm: bool,
    /// Share of the features that each step leaves out
    #[arg(long, value_name = "P", default_value_t = ProbeConfig::default().dropout)]
    dropout: f64,
    /// Mirror images at random; not for digits
    #[arg(long)]
    flip: bool,
    /// Labelled images held out to choose the epoch by, beside those learned from
    #[arg(long, value_name = "N", default_value_t = ProbeConfig::default().validation)]
    validation: usize,
}

/// The nets of a supervised baseline.
#[derive(clap::Args)]
struct Nets {
    /// With --supervised: TOML file with the keys that differ from the preset
    #[arg(long, value_name = "CONFIG.toml", requires = "supervised")]
    config: Option<PathBuf>,
    /// With --supervised: preset, or several to lay over each other; `full`, on whole images, unless given
    #[arg(long, value_name = "P", value_delimiter = ',', requires = "supervised")]
    preset: Vec<String>,
    /// With --supervised: any key; may be given more than once
    #[arg(long = "set", value_name = "key=value", requires = "supervised")]
    set: Vec<String>,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    args.output.check()?;
    let device = args.device.open()?;
    match &args.run {
        Some(run) => {
            let mut model = args.device.adjust(hub::model(run, None, methods, &device)?, &device);
            model.must_have_score_nets()?;
            let sets = sets(args, &Selection::of_model(&*model)?)?;
            observe(&mut *model, sets.0.data(), &device)?;
            let precision = model.header().config["model"]["precision"].as_str().unwrap_or("f32").to_owned();
            let start = match args.trunk {
                Trunk::Frozen => TrunkStart::Frozen(&*model),
                Trunk::FineTuned => TrunkStart::FineTuned(&*model),
            };
            measure(args, start, &sets, &describe(&device, &precision))
        }
        None => {
            let config = args.nets.config(methods, args.device.layer()?)?.pinned(&device)?;
            let settings = Settings::of_config(&config.values())?;
            let sets = sets(args, &Selection::of_config(&config))?;
            let on = describe(&device, config.own.precision());
            measure(args, TrunkStart::Supervised(&settings, &device), &sets, &on)
        }
    }
}

fn measure(args: &Args, start: TrunkStart<'_>, sets: &(Labelled, Labelled), on: &str) -> Result<()> {
    let (train, test) = sets;
    let (pool, finds) = (train.len(), test.len());
    tracing::info!("labels from {pool} images of {}, {finds} test images, on {on}", train.data().name());
    if train.data().content_hash() == test.data().content_hash() {
        tracing::warn!("the test images are those that labels are drawn from: these are no test errors");
    }
    let config = args.learning.config();
    let total = args.labels.len() * args.seeds.len() * config.epochs;
    let study = Study { start, config, labels: args.labels.clone(), seeds: args.seeds.clone() };
    let bar = progress::bar(total as u64, "epochs");
    let findings = study.run(train, test, &mut |progress| show(&bar, progress))?;
    bar.finish_and_clear();
    args.output.plot.save(|| Ok(plot(&findings)))?;
    match args.output.json.write(&findings)? {
        true => table(&findings),
        false => Ok(()),
    }
}

impl Learning {
    fn config(&self) -> ProbeConfig {
        ProbeConfig {
            epochs: self.epochs,
            batch: self.batch,
            rate: self.rate,
            trunk_rate: self.trunk_rate,
            decay_to: self.decay_to,
            batch_norm: !self.no_batch_norm,
            dropout: self.dropout,
            flip: self.flip,
            validation: self.validation,
        }
    }
}

impl Nets {
    fn config(&self, methods: Methods, over: Option<Layer>) -> Result<Config> {
        let mut layers = match self.preset.is_empty() {
            // The preset's own crop is for photographs of faces.
            true => vec![Layer::preset(methods, "full")?, Layer::assignment("data.crop=0")?],
            false => self
                .preset
                .iter()
                .map(|name| Layer::preset(methods, name))
                .collect::<mg_train::Result<_>>()?,
        };
        if let Some(path) = &self.config {
            layers.push(Layer::file(path)?);
        }
        for assignment in &self.set {
            layers.push(Layer::assignment(assignment)?);
        }
        layers.extend(over);
        Ok(resolve(methods, &layers)?)
    }
}

/// The images that labels are drawn from, and those that errors are measured on, as the nets want them.
fn sets(args: &Args, selection: &Selection) -> Result<(Labelled, Labelled)> {
    let (train, test) = args.set.labelled(selection, &args.data, args.test.as_deref())?;
    let train = Labelled::of(&train)?;
    let test = Labelled::among(&test, train.classes())?;
    Ok((train, test))
}

/// Errors over numbers of labels, a line for every seed.
fn plot(findings: &Findings) -> Panels {
    let error = Curves::new(&format!("{} nets", findings.trunk), "labels", "test error, %");
    let mean = findings.rows.iter().map(|row| (row.labels as f64, row.score().mean));
    let seeds = findings.rows.first().map_or(0, |row| row.seeds.len());
    let of =
        |seed: usize| findings.rows.iter().map(move |row| (row.labels as f64, row.seeds[seed].test_error));
    let line = |curves: Curves, seed: usize| {
        let name = findings.rows.first().map_or(0, |row| row.seeds[seed].seed);
        curves.line(&format!("seed {name}"), of(seed))
    };
    Panels::of([(0..seeds).fold(error.line("mean", mean), line)])
}

fn show(bar: &ProgressBar, progress: &Progress) {
    match progress {
        Progress::Epoch { labels, seed, epoch } => {
            let error = epoch
                .validation_error
                .map_or(String::new(), |error| format!(", validation error {error:.1} %"));
            let text = format!("{labels} labels, seed {seed}: loss {:.3}{error}", epoch.loss);
            bar.inc(1);
            bar.set_message(format!("| {text}"));
            if !progress::is_terminal() {
                tracing::info!("epoch {} | {text}", epoch.number);
            }
        }
        Progress::Measured { labels, outcome } => tracing::info!(
            "{labels} labels, seed {}: test error {:.2} % (epoch {}, on the labelled images {:.2} %)",
            outcome.seed,
            outcome.test_error,
            outcome.epoch,
            outcome.train_error
        ),
    }
}

fn table(findings: &Findings) -> Result<()> {
    let Findings { trunk, features, trunk_parameters, head_parameters, train, test, .. } = findings;
    say!("nets        {trunk}, {trunk_parameters} parameters");
    say!("classifier  {features} features, {head_parameters} parameters");
    say!("images      {} to draw from, {} to test", train.images, test.images);
    say!("{:>7}  {:>24}  {:>12}", "labels", "test error, %", "validation");
    for row in &findings.rows {
        let held_out: Vec<f64> = row.seeds.iter().filter_map(|outcome| outcome.validation_error).collect();
        let held_out = match held_out.len() {
            0 => "-".to_string(),
            n => format!("{:.2}", held_out.iter().sum::<f64>() / n as f64),
        };
        say!("{:>7}  {:>24}  {held_out:>12}", row.labels, format!("{:.2}", row.score()));
    }
    Ok(())
}
