mod features;
mod report;
mod sets;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use mg_eval::svm::RadfordProtocol;
use mg_random::Key;
use mg_train::config::resolve;
use mg_train::{Methods, Selection};

use crate::device::DeviceArgs;
use crate::output::OutputArgs;
use crate::set::SetArgs;
use crate::{hub, progress};
use features::Features;
use report::{HEADINGS, Report, plot, row};
use sets::Sets;

/// Judge features by a linear support vector machine on few labels (section 6.3, table 2): features of the nets, or raw
/// pixels; balanced draws of labelled images; C by validation; the error on test images over many draws.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    #[arg(required_unless_present = "pixels")]
    run: Option<PathBuf>,
    /// Labelled images to train on: a name, a folder, a parquet file, a folder in hub layout, or a packed file
    #[arg(long, value_name = "SET")]
    data: String,
    /// Labelled images to test on; the test split of --data unless given
    #[arg(long, value_name = "SET")]
    test: Option<String>,
    /// Labelled images of a draw, all classes together
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1000, 2000, 4000])]
    labels: Vec<usize>,
    /// Training images held out to choose C by
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    validation: u64,
    /// Grids whose nets make the features, by their sides; the finest unless given
    #[arg(long, value_name = "SIDE,...", value_delimiter = ',')]
    grids: Vec<usize>,
    /// Class of a conditional model
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Take raw pixels in place of features: a baseline. RUN then only tells side and cropping, and may be left out
    #[arg(long, conflicts_with_all = ["grids", "class"])]
    pixels: bool,
    /// Keep the scale of the nets; unless given, the features of each layer are divided by their root mean square over the
    /// training images, as batch normalisation nearly does, for C is chosen from a fixed grid
    #[arg(long)]
    raw: bool,
    /// Seed of what is held out and of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draws that the test error is averaged over
    #[arg(long, value_name = "N", default_value_t = 100)]
    draws: usize,
    /// Draws that C is chosen by
    #[arg(long, value_name = "N", default_value_t = 10)]
    choice_draws: usize,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    args.output.check()?;
    ensure!(args.draws > 0, "--draws is 0; a mean takes at least 1");
    ensure!(args.choice_draws > 0, "--choice-draws is 0; C is chosen by at least 1");
    let device = args.device.open()?;
    let model = args.run.as_deref().map(|run| hub::model(run, None, methods, &device)).transpose()?;
    let model = model.map(|model| args.device.adjust(model, &device));
    let selection = match &model {
        Some(model) => Selection::of_model(&**model)?,
        None => Selection::of_config(&resolve(methods, &[])?),
    };
    if let (Some(model), false) = (&model, args.pixels) {
        features::nets(args, &**model)?; // a grid that is not there is named before images are read
    }
    let sets = Sets::open(args, &selection)?;
    let protocols = args.protocols(&sets)?;
    sets.announce();
    let features = Features::of(args, model, &sets.train, &device)?;
    let [train, validation, test] = sets.features(&features, args.raw, &device)?;
    let (width, table) = (train.width(), !args.output.json.is_printed());
    if table {
        say!("{width} features: {}", features.describe());
        say!("{HEADINGS}");
    }
    let key = args.key().named("draws");
    let mut scores = Vec::new();
    for protocol in &protocols {
        let bar = progress::bar(0, "fits");
        let score = protocol.run(&train, &validation, &test, key, &mut |done, of| {
            progress::show(&bar, done as u64, of as u64);
        })?;
        bar.finish_and_clear();
        if table {
            say!("{}", row(&score));
        }
        scores.push(score);
    }
    args.output.plot.save(|| Ok(plot(&scores)))?;
    args.output.json.write(&Report { args, sets: &sets, features: &features, width, scores }.json())?;
    Ok(())
}

impl Args {
    fn key(&self) -> Key {
        Key::new(self.seed).named("svm")
    }

    /// A protocol for every number of labels, checked against the images there are.
    fn protocols(&self, sets: &Sets) -> Result<Vec<RadfordProtocol>> {
        let classes = sets.classes();
        let labels = sets.train.labels().unwrap_or_default();
        let protocol = |&wanted: &usize| {
            if wanted == 0 || !wanted.is_multiple_of(classes) {
                bail!(
                    "--labels {wanted}: a balanced draw of {classes} classes takes a multiple of {classes} images"
                );
            }
            let labels_per_class = wanted / classes;
            let protocol = RadfordProtocol {
                labels_per_class,
                draws_per_c: self.choice_draws,
                final_draws: self.draws,
                ..RadfordProtocol::default()
            };
            protocol.check(&labels, classes).with_context(|| {
                let (left, held) = (sets.train.len(), sets.validation.len());
                format!("--labels {wanted} of {left} images, {held} more being held out by --validation")
            })?;
            Ok(protocol)
        };
        self.labels.iter().map(protocol).collect()
    }
}
