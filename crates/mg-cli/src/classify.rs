use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use mg_data::{DataSet, Split};
use mg_energy::Classifier;
use mg_eval::{Confusion, Score};
use mg_langevin::Base;
use mg_model::{Energies, Model, Scorer};
use mg_random::Key;
use mg_train::config::SplitChoice;
use mg_train::{Methods, Selection, SetImages};
use serde_json::json;

use crate::device::DeviceArgs;
use crate::grid::Grid;
use crate::output::JsonArgs;
use crate::set::{self, SetArgs};
use crate::{hub, progress};

/// Classify images by equation (3): the softmax of the scores of a model per class (data.class = "each"), with biases
/// fitted to labelled images. Prints accuracy, log likelihood and what was taken for what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors, of a run with data.class = "each"
    run: PathBuf,
    /// Labelled images to classify; the test split of a set with splits
    #[arg(long, value_name = "SET")]
    data: String,
    /// Another split of them: train, test, validation or extra
    #[arg(long)]
    split: Option<Split>,
    /// Labelled images to fit the biases to; those that the run has learned from unless given
    #[arg(long, value_name = "SET")]
    fit: Option<String>,
    /// Make the reference distribution p0 a category too; draws of it join both sets, as many as a class has images
    #[arg(long)]
    background: bool,
    /// Side of the grid whose nets are asked, or `sum` of all grids; the finest unless given
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

/// What a model's nets say of labelled images: scores [n, K] and labels of 0..K, K of the background.
struct Labelled {
    scores: Tensor,
    labels: Vec<usize>,
}

/// The nets of all classes, and what else scoring needs.
struct Nets<'a> {
    energies: &'a dyn Energies,
    /// Their names.
    classes: &'a [String],
    scorers: Vec<Scorer>,
    grid: Grid,
    background: bool,
    device: Device,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; ask for at least one image");
    args.json.check()?;
    let device = args.device.open()?;
    let model = args.device.adjust(hub::model(&args.run, None, methods, &device)?, &device);
    let energies = model.must_have_energies()?;
    let classes = &model.header().classes;
    ensure!(
        classes.len() > 1,
        "equation (3) needs a model for each class, and {} has one, `{}`; train with --set data.class=each",
        args.run.display(),
        classes.join(", ")
    );
    let scorers = classes.iter().map(|class| Scorer::of(energies, Some(class))).collect::<Result<_, _>>()?;
    let grid = Grid::of(args.grid, energies)?;
    let nets = Nets { energies, classes, scorers, grid, background: args.background, device };
    let key = Key::new(args.seed).named("classify");
    let (to_fit, to_classify) = sets(args, &*model, key)?;
    let fitted = nets.labelled(&to_fit, key.named("fit"))?;
    let classifier = Classifier::fit(&fitted.scores, &fitted.labels, args.background)?;
    let tested = nets.labelled(&to_classify, key.named("test"))?;
    report(args, &nets, &classifier, &tested)
}

/// The images to fit the biases to, and those to classify.
fn sets(args: &Args, model: &dyn Model, key: Key) -> Result<(DataSet, DataSet)> {
    let selection = &Selection::of_model(model)?;
    let own = &selection.data;
    let split = match own.split {
        SplitChoice::Auto => None,
        SplitChoice::Only(split) => Some(split),
    };
    let fit = match &args.fit {
        Some(name) => args.set.open(selection, name, None)?,
        None => args.set.open(selection, &own.source, split).context(
            "the images that the run has learned from are not at hand; name others with --fit SET",
        )?,
    };
    let data = set::with_labels(args.set.for_testing(selection, &args.data, args.split)?)?;
    let fit = set::with_labels(fit)?;
    Ok((set::at_most(fit, args.n, key.named("fit"))?, set::at_most(data, args.n, key.named("test"))?))
}

impl Nets<'_> {
    /// Scores of all nets on the images of a set, and on draws of p0 where that is a category.
    fn labelled(&self, set: &DataSet, key: Key) -> Result<Labelled> {
        let (k, images) = (self.scorers.len(), set.len() as usize);
        let mut labels = self.labels(set)?;
        let draws = if self.background { images.div_ceil(k) } else { 0 };
        labels.extend(std::iter::repeat_n(k, draws));
        let grids = self.draws(draws, key.named("background"))?;
        let on_device = SetImages { set, device: &self.device };
        let bar = progress::bar((k * images) as u64, "images");
        let mut columns = Vec::with_capacity(k);
        for (number, scorer) in self.scorers.iter().enumerate() {
            let scores = scorer.set(&on_device, &mut |n| bar.set_position((number * images + n) as u64))?;
            let mut column = self.grid.choose(self.energies, scores).score;
            if draws > 0 {
                column.extend(self.grid.choose(self.energies, scorer.grids(&grids)?).score);
            }
            columns.push(Tensor::new(column, &Device::Cpu)?);
        }
        bar.finish_and_clear();
        Ok(Labelled { scores: Tensor::stack(&columns, 1)?, labels })
    }

    /// The labels of a set as numbers of the model's classes.
    fn labels(&self, set: &DataSet) -> Result<Vec<usize>> {
        let names = set.class_names();
        let of = |label: u32| -> Result<usize> {
            let name = names.get(label as usize).context("an image has a label without a name")?;
            match self.classes.iter().position(|class| class == name) {
                Some(class) => Ok(class),
                None => bail!(
                    "{} has images of class {name:?}; the model knows {}",
                    set::title(set),
                    self.classes.join(", ")
                ),
            }
        };
        set.labels().unwrap_or_default().into_iter().map(of).collect()
    }

    /// `n` draws of p0 on every grid, coarse to fine.
    fn draws(&self, n: usize, key: Key) -> Result<Vec<Tensor>> {
        if n == 0 {
            return Ok(vec![]);
        }
        let base = Base::new(self.energies.reference(), self.energies.bounds())?;
        let draw = |&side: &usize| {
            let like = Tensor::zeros((n, 3, side, side), DType::F32, &self.device)?;
            Ok(base.draw_like(key.fold(side as u64), &like)?)
        };
        self.energies.sides().iter().map(draw).collect()
    }

    /// Names of the categories, the background last.
    fn categories(&self) -> Vec<String> {
        let background = self.background.then(|| "background".to_string());
        self.classes.iter().cloned().chain(background).collect()
    }
}

fn report(args: &Args, nets: &Nets<'_>, classifier: &Classifier, tested: &Labelled) -> Result<()> {
    let posterior = classifier.log_posterior(&tested.scores)?.to_vec2::<f64>()?;
    let predicted = classifier.predict(&tested.scores)?.to_vec1::<u32>()?;
    let predicted: Vec<usize> = predicted.into_iter().map(|category| category as usize).collect();
    let categories = nets.categories();
    let confusion = Confusion::of(&tested.labels, &predicted, categories.len())?;
    let true_ones = posterior.iter().zip(&tested.labels).map(|(row, &label)| row[label]);
    let likelihood = Score::of(&true_ones.collect::<Vec<_>>())?;
    let numbers = json!({
        "grid": nets.grid.to_string(), "images": likelihood.n, "categories": categories,
        "biases": classifier.biases, "accuracy": confusion.accuracy(), "log_likelihood": likelihood.mean,
        "recalls": confusion.recalls(), "confusion": confusion.counts(),
    });
    if !args.json.write(&numbers)? {
        return Ok(());
    }
    table(nets.grid, classifier, &categories, &confusion, likelihood)
}

fn table(
    grid: Grid,
    classifier: &Classifier,
    categories: &[String],
    confusion: &Confusion,
    likelihood: Score,
) -> Result<()> {
    say!("images          {}", likelihood.n);
    say!("grid            {}", grid);
    say!("accuracy        {:.4}", confusion.accuracy());
    say!("log likelihood  {:.4}, mean of log Pr(true category | image)", likelihood.mean);
    let width = categories.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let heads: String = categories.iter().map(|name| format!(" {name:>width$}")).collect();
    say!("{:<width$}{heads} {:>8} {:>12}   (rows are true, columns taken for)", "", "recall", "bias");
    for (k, (name, counts)) in categories.iter().zip(confusion.counts()).enumerate() {
        let counts: String = counts.iter().map(|count| format!(" {count:>width$}")).collect();
        let recall = confusion.recalls()[k].map_or("-".to_string(), |recall| format!("{recall:.4}"));
        let bias = classifier.biases.get(k).copied().unwrap_or(0.0);
        say!("{name:<width$}{counts} {recall:>8} {bias:>12.3}");
    }
    Ok(())
}
