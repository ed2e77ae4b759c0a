use std::path::PathBuf;

use anyhow::{Result, ensure};
use candle_core::Device;
use mg_data::{DataSet, Labelled, Split};
use mg_eval::{Confusion, Score};
use mg_model::{Classify, Model};
use mg_random::Key;
use mg_train::{Methods, Selection};
use serde_json::json;

use crate::device::DeviceArgs;
use crate::grid::Grid;
use crate::output::JsonArgs;
use crate::set::{self, SetArgs};
use crate::{hub, progress};

mod per_class;

/// Classify images: by a classifier, or by equation (3), the softmax of the scores of a model per class (data.class =
/// "each"), with biases fitted to labelled images. Prints accuracy, log likelihood and what was taken for what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors, of a classifier or of a run with data.class = "each"
    run: PathBuf,
    /// Labelled images to classify; the test split of a set with splits
    #[arg(long, value_name = "SET")]
    data: String,
    /// Another split of them: train, test, validation or extra
    #[arg(long)]
    split: Option<Split>,
    /// For equation (3): labelled images to fit the biases to; those that the run has learned from unless given
    #[arg(long, value_name = "SET")]
    fit: Option<String>,
    /// For equation (3): make the reference distribution p0 a category too; draws of it join both sets, as many as a class has images
    #[arg(long)]
    background: bool,
    /// For equation (3): side of the grid whose nets are asked, or `sum` of all grids; the finest unless given
    #[arg(long, value_name = "S|sum")]
    grid: Option<Grid>,
    /// Most images of either set
    #[arg(short, default_value_t = 10_000)]
    n: usize,
    /// Seed of the choice of images and of draws of p0
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What a model says of images, and what is true.
struct Verdicts {
    /// Names of the categories, the background last.
    categories: Vec<String>,
    /// [n][K].
    log_probabilities: Vec<Vec<f64>>,
    truth: Vec<usize>,
    /// By equation (3): the grid whose nets were asked.
    grid: Option<Grid>,
    /// By equation (3): of every category.
    biases: Option<Vec<f64>>,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; ask for at least one image");
    args.json.check()?;
    let device = args.device.open()?;
    let model = args.device.adjust(hub::model(&args.run, None, methods, &device)?, &device);
    let key = Key::new(args.seed).named("classify");
    let own = &Selection::of_model(&*model)?;
    let data = set::with_labels(args.set.for_testing(own, &args.data, args.split)?)?;
    let data = set::at_most(data, args.n, key.named("test"))?;
    let verdicts = match model.energies() {
        Some(energies) if model.classify().is_none() => {
            per_class::verdicts(args, &*model, energies, &data, key, &device)?
        }
        _ => {
            let classifier = model.must_classify()?;
            ensure!(
                args.fit.is_none() && !args.background && args.grid.is_none(),
                "--fit, --background and --grid are for equation (3), and this model classifies by itself; leave them out"
            );
            by_itself(classifier, &*model, &data, &device)?
        }
    };
    report(args, &verdicts)
}

/// Images that are classified together.
const CHUNK: usize = 100;

/// What a classifier says of images.
fn by_itself(
    classifier: &dyn Classify,
    model: &dyn Model,
    data: &DataSet,
    device: &Device,
) -> Result<Verdicts> {
    let categories = &model.header().categories;
    let truth = Labelled::among(data, categories)?.labels().iter().map(|&label| label as usize).collect();
    let bar = progress::bar(data.len(), "images");
    let mut log_probabilities = vec![];
    for images in data.batches(CHUNK, device) {
        let some = classifier.log_probabilities(&images?)?.to_dtype(candle_core::DType::F64)?;
        log_probabilities.extend(some.to_vec2::<f64>()?);
        bar.set_position(log_probabilities.len() as u64);
    }
    bar.finish_and_clear();
    Ok(Verdicts { categories: categories.clone(), log_probabilities, truth, grid: None, biases: None })
}

fn report(args: &Args, verdicts: &Verdicts) -> Result<()> {
    let Verdicts { categories, log_probabilities, truth, grid, biases } = verdicts;
    // Of equal ones the first.
    let largest =
        |row: &Vec<f64>| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    let predicted: Vec<usize> = log_probabilities.iter().map(largest).collect();
    let confusion = Confusion::of(truth, &predicted, categories.len())?;
    let true_ones = log_probabilities.iter().zip(truth).map(|(row, &label)| row[label]);
    let likelihood = Score::of(&true_ones.collect::<Vec<_>>())?;
    let mut numbers = json!({
        "images": likelihood.n, "categories": categories, "accuracy": confusion.accuracy(),
        "error": 100.0 * (1.0 - confusion.accuracy()), "log_likelihood": likelihood.mean,
        "recalls": confusion.recalls(), "confusion": confusion.counts(),
    });
    if let (Some(grid), Some(biases)) = (grid, biases) {
        numbers["grid"] = json!(grid.to_string());
        numbers["biases"] = json!(biases);
    }
    match args.json.write(&numbers)? {
        true => table(verdicts, &confusion, likelihood),
        false => Ok(()),
    }
}

fn table(verdicts: &Verdicts, confusion: &Confusion, likelihood: Score) -> Result<()> {
    let Verdicts { categories, grid, biases, .. } = verdicts;
    say!("images          {}", likelihood.n);
    if let Some(grid) = grid {
        say!("grid            {grid}");
    }
    say!(
        "accuracy        {:.4}, an error of {:.2} %",
        confusion.accuracy(),
        100.0 * (1.0 - confusion.accuracy())
    );
    say!("log likelihood  {:.4}, mean of log Pr(true category | image)", likelihood.mean);
    let width = categories.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let heads: String = categories.iter().map(|name| format!(" {name:>width$}")).collect();
    let last = if biases.is_some() { format!(" {:>12}", "bias") } else { String::new() };
    say!("{:<width$}{heads} {:>8}{last}   (rows are true, columns taken for)", "", "recall");
    for (k, (name, counts)) in categories.iter().zip(confusion.counts()).enumerate() {
        let counts: String = counts.iter().map(|count| format!(" {count:>width$}")).collect();
        let recall = confusion.recalls()[k].map_or("-".to_string(), |recall| format!("{recall:.4}"));
        let bias = biases.as_ref().map(|biases| biases.get(k).copied().unwrap_or(0.0));
        let bias = bias.map_or_else(String::new, |bias| format!(" {bias:>12.3}"));
        say!("{name:<width$}{counts} {recall:>8}{bias}");
    }
    Ok(())
}
