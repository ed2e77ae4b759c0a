use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mg_data::DataSet;
use mg_eval::{Detection, Histogram, Score};
use mg_figures::Panels;
use mg_model::{Model, Scorer, generate};
use mg_random::Key;
use mg_train::{Methods, Selection, SetImages};
use serde_json::{Value, json};

use crate::device::DeviceArgs;
use crate::grid::Grid;
use crate::output::OutputArgs;
use crate::sample::How;
use crate::set::{self, SetArgs};
use crate::{hub, progress};

/// Measure how a model's energy U = -log p0 - f tells foreign images from those it was learned for: means, AUROC,
/// average precision and false positives at 95 % true ones, against the test split of `--in` where it has one.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    run: PathBuf,
    /// Images of the kind that was learned; both splits, train and test, of a set with splits
    #[arg(long = "in", value_name = "SET")]
    inliers: String,
    /// Foreign images; may be given more than once. The test split of a set with splits
    #[arg(long = "out", value_name = "SET", required = true)]
    outliers: Vec<String>,
    /// Samples of the model itself, as a further set
    #[arg(long, value_name = "N", default_value_t = 0)]
    samples: usize,
    /// Most images of every set
    #[arg(short, default_value_t = 2000)]
    n: usize,
    /// Side of the grid whose net is asked, or `sum` of all grids; the finest unless given
    #[arg(long, value_name = "S|sum")]
    grid: Option<Grid>,
    /// Seed of the choice of images and of samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Energies of one set.
struct Energies {
    title: String,
    role: &'static str,
    values: Vec<f64>,
}

/// One of them with what is said of it.
struct Row<'a> {
    energies: &'a Energies,
    energy: Score,
    /// Against the inliers; `None` of the inliers themselves.
    detection: Option<Detection>,
}

/// Bins of the histograms.
const BINS: usize = 60;

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; ask for at least one image of every set");
    args.output.check()?;
    let device = args.device.open()?;
    let model = args.device.adjust(hub::model(&args.run, None, methods, &device)?, &device);
    let grid = Grid::of(args.grid, model.must_have_energies()?)?;
    let sets = energies(args, &*model, grid, &device)?;
    // The first set is the one that others are told from.
    let (inliers, others) = sets.split_first().context("there is no set")?;
    let mut rows = vec![Row { energies: inliers, energy: Score::of(&inliers.values)?, detection: None }];
    for energies in others {
        let detection = Some(Detection::of(&minus(&inliers.values), &minus(&energies.values))?);
        rows.push(Row { energies, energy: Score::of(&energies.values)?, detection });
    }
    let named: Vec<(&str, &[f64])> =
        sets.iter().map(|set| (set.title.as_str(), set.values.as_slice())).collect();
    let histogram = Histogram::of(&named, BINS)?;
    let title = format!("energies, grid {grid}");
    let plot = || mg_figures::histogram(&title, "energy U", &histogram.edges, &histogram.sets);
    args.output.plot.save(|| Ok(Panels::of([plot()])))?;
    match args.output.json.write(&as_json(args, grid, &rows, &histogram))? {
        true => table(grid, &rows),
        false => Ok(()),
    }
}

/// The sets in the order of the table: inliers to tell others from, the other split, samples, foreign sets.
fn energies(args: &Args, model: &dyn Model, grid: Grid, device: &Device) -> Result<Vec<Energies>> {
    let how = args.how.synthesis();
    let key = Key::new(args.seed).named("ood");
    let energies = model.must_have_energies()?;
    let scorer = energies.scorer(how.class.as_deref())?;
    let mut all = Vec::new();
    for (role, set) in open(args, model)? {
        let title = set::title(&set);
        let set = set::at_most(set, args.n, key)?;
        all.push(Energies { values: of_set(&scorer, model, grid, &set, device)?, title, role });
    }
    if args.samples > 0 {
        let bar = progress::bar(args.samples as u64, "samples");
        let key = key.named("samples");
        let observer = &mut mg_langevin::unobserved;
        let grids =
            generate(model, args.samples, &how, key, device, observer, &mut |n| bar.set_position(n as u64))?;
        bar.finish_and_clear();
        let values = grid.choose(energies, scorer.grids(&grids)?).energy;
        let first_foreign = all.iter().position(|set| set.role == "out").unwrap_or(all.len());
        all.insert(first_foreign, Energies { title: "samples".into(), role: "samples", values });
    }
    Ok(all)
}

/// All sets are opened before any is scored: a typo in the last one costs no time.
fn open(args: &Args, model: &dyn Model) -> Result<Vec<(&'static str, DataSet)>> {
    let (sets, selection) = (&args.set, &Selection::of_model(model)?);
    let whole = sets.open(selection, &args.inliers, None)?;
    let mut opened = match sets.test_split(selection, &args.inliers)? {
        Some(test) => vec![("test", test), ("train", whole)],
        None => vec![("in", whole)],
    };
    for name in &args.outliers {
        opened.push(("out", sets.for_testing(selection, name, None)?));
    }
    Ok(opened)
}

fn of_set(
    scorer: &Scorer,
    model: &dyn Model,
    grid: Grid,
    set: &DataSet,
    device: &Device,
) -> Result<Vec<f64>> {
    let bar = progress::bar(set.len(), "images");
    let scores = scorer.set(&SetImages { set, device }, &mut |n| bar.set_position(n as u64))?;
    bar.finish_and_clear();
    Ok(grid.choose(model.must_have_energies()?, scores).energy)
}

/// Inliers have the lower energies.
fn minus(energies: &[f64]) -> Vec<f64> {
    energies.iter().map(|energy| -energy).collect()
}

fn table(grid: Grid, rows: &[Row<'_>]) -> Result<()> {
    let inliers = rows.first().map_or("", |row| row.energies.title.as_str());
    say!("energy U, grid {grid}; {inliers} against each other set");
    let (set, images, mean, deviation) = ("set", "images", "mean U", "deviation");
    say!(
        "{set:<28} {:<8} {images:>7} {mean:>13} {deviation:>11}   {:<17} {:>6} {:>7}",
        "",
        "AUROC",
        "AP",
        "FPR95"
    );
    for Row { energies, energy, detection } in rows {
        let told = detection.map_or(String::new(), |d| {
            let error = d.auroc_std_error.map_or(String::new(), |error| format!(" ({error:.4})"));
            let auroc = format!("{:.4}{error}", d.auroc);
            format!("   {auroc:<17} {:>6.4} {:>7.4}", d.average_precision, d.fpr_at_95_tpr)
        });
        let line = format!(
            "{:<28} {:<8} {:>7} {:>13.3} {:>11.3}{told}",
            energies.title, energies.role, energy.n, energy.mean, energy.std_dev
        );
        say!("{}", line.trim_end());
    }
    Ok(())
}

fn as_json(args: &Args, grid: Grid, rows: &[Row<'_>], histogram: &Histogram) -> Value {
    let set = |row: &Row<'_>| {
        json!({
            "name": row.energies.title, "role": row.energies.role, "images": row.energy.n,
            "energy": { "mean": row.energy.mean, "std_dev": row.energy.std_dev },
            "auroc": row.detection.map(|d| d.auroc),
            "auroc_std_error": row.detection.and_then(|d| d.auroc_std_error),
            "average_precision": row.detection.map(|d| d.average_precision),
            "fpr_at_95_tpr": row.detection.map(|d| d.fpr_at_95_tpr),
        })
    };
    let counts = |(name, counts): &(String, Vec<u64>)| json!({ "name": name, "counts": counts });
    json!({
        "run": args.run.display().to_string(),
        "grid": grid.to_string(),
        "seed": args.seed,
        "sets": rows.iter().map(set).collect::<Vec<_>>(),
        "histogram": { "edges": histogram.edges, "sets": histogram.sets.iter().map(counts).collect::<Vec<_>>() },
    })
}
