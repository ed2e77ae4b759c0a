//! `mg eval`: how near a set of images is to another.

mod report;
mod source;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::{Device, Tensor};
use mg_backbone::{Backbone, Convention, FeatureFile, INCEPTION_SHA256, Images, Logits, Weights};
use mg_data::Split;
use mg_eval::{
    DENSE_NEIGHBOUR, Features, Histogram, Moments, NEIGHBOUR, Neighbour, Score, Subsets, density_coverage,
    frechet_distance, inception_score, kernel_distance, nearest, pairwise_distance, precision_recall,
};
use mg_figures::{Panels, Sheet, histogram};
use mg_model::Synthesis;
use mg_random::Key;
use mg_train::Methods;

use crate::device::DeviceArgs;
use crate::output::{OutputArgs, check_folder};
use crate::sample::How;
use crate::set::SetArgs;
use crate::{hub, progress};
use report::{Nearest, Pairs, Report};
use source::{Draw, Input, Own, ShapeArgs};

/// Score images: inception score, and against reference images Fréchet and kernel inception distance, precision and recall,
/// density and coverage (sections 6.2, 6.3). Without --is, --fid, --kid, --prec, --dense: all that can be computed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Images: a set (`mg data list`), a folder, a packed file; or a run or model, from which they are drawn
    #[arg(long, value_name = "SET|RUN")]
    input: String,
    /// Reference images, in the same forms; of a run also `held-out`, the images it held out. Unless given, the images that the
    /// run was learned from
    #[arg(long = "ref", value_name = "SET|RUN")]
    reference: Option<String>,
    /// Inception score
    #[arg(long)]
    is: bool,
    /// Fréchet distance between the features of both
    #[arg(long)]
    fid: bool,
    /// Kernel distance between the features of both
    #[arg(long)]
    kid: bool,
    /// Precision and recall
    #[arg(long)]
    prec: bool,
    /// Density and coverage: how typical images are, and how many of the reference images have one near
    #[arg(long)]
    dense: bool,
    /// The network that looks at the images; its name belongs beside every number
    #[arg(long, value_enum, default_value_t = Network::Lite0)]
    backbone: Network,
    /// Weights of the 2015 Inception graph: pt_inception-2015-12-05-6726825d.pth, or safetensors with its names; those that
    /// `mg data fetch inception-2015` has fetched unless given
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How Inception's input is made: tensorflow-1 for numbers comparable with published ones
    #[arg(long, value_enum, default_value_t = Resizing::Tensorflow1)]
    resizing: Resizing,
    /// Split of the input set: train, test, validation or extra
    #[arg(long)]
    split: Option<Split>,
    /// Split of the reference set
    #[arg(long)]
    ref_split: Option<Split>,
    /// Images drawn from a run; 2000 unless given
    #[arg(short)]
    n: Option<usize>,
    /// Seed of drawn images and of the kernel distance's subsets
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Splits of the inception score
    #[arg(long, default_value_t = 10)]
    splits: usize,
    /// Images in each of the kernel distance's 100 subsets; 1000, or all of the smaller set, unless given
    #[arg(long, value_name = "N")]
    subset: Option<usize>,
    /// Neighbours of precision and recall
    #[arg(long, default_value_t = NEIGHBOUR)]
    k: usize,
    /// Neighbours of density and coverage
    #[arg(long, value_name = "K", default_value_t = DENSE_NEIGHBOUR)]
    dense_k: usize,
    /// Folder for features, so that none is computed twice
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// Images in a row that begin from the same 1x1 image: their mean pairwise distance is how varied such images are
    /// (figure 5). A run draws them so; of a set, `mg sample --per-start K` has drawn them so
    #[arg(long, value_name = "K")]
    per_start: Option<usize>,
    /// Show the first images with the nearest reference image of each, by their features, and say how far that is: are
    /// they copies?
    #[arg(long, value_name = "FILE.png")]
    nearest: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Lite0,
    Inception,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Resizing {
    #[value(name = "tensorflow-1")]
    Tensorflow1,
    HalfPixel,
}

/// What the images that a run held out are called.
const HELD_OUT: &str = "held-out";
/// Name of its weights.
const INCEPTION: &str = "inception-2015";

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    args.check()?;
    let device = args.device.open()?;
    let (input, reference) = inputs(args, methods, &device)?;
    let backbone = backbone(args, &device)?;
    let scratch = tempfile::tempdir().context("cannot make a folder for features")?;
    let folder = args.features.as_deref().unwrap_or(scratch.path());
    let features = |images: &Input| -> Result<FeatureFile> {
        let bar = progress::bar(images.len() as u64, "images");
        bar.set_message(images.describe());
        let file = FeatureFile::fill(folder, &backbone, images, &mut |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        Ok(file?)
    };
    let of_input = features(&input)?;
    let mut report = Report::of(&backbone, &input, reference.as_ref());
    if args.asks(args.is) {
        let score = inception_score(&Logits { features: &of_input, backbone: &backbone }, args.splits)?;
        report.inception_score = Some(report::Splits::of(&score));
    }
    if let Some(per_start) = args.per_start {
        report.pairwise_distance = Some(pairs(&of_input, per_start)?);
    }
    if let Some(reference) = &reference {
        let of_reference = features(reference)?;
        compare(args, &mut report, &of_input, &of_reference)?;
        neighbours(args, &mut report, (&input, &of_input), (reference, &of_reference))?;
    }
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    match args.output.json.write(&report)? {
        true => report.table(),
        false => Ok(()),
    }
}

/// The numbers of both sets of features that are asked for.
fn compare(args: &Args, report: &mut Report, input: &FeatureFile, reference: &FeatureFile) -> Result<()> {
    if args.asks(args.fid) {
        let distance = frechet_distance(&Moments::of(input)?, &Moments::of(reference)?)?;
        report.frechet_distance = Some(distance.distance());
        report.warnings.extend(distance.warning());
    }
    if args.asks(args.kid) {
        let fitting = Subsets::fitting(input, reference);
        let subsets = Subsets { size: args.subset.unwrap_or(fitting.size), ..fitting };
        let score = kernel_distance(input, reference, subsets, Key::new(args.seed).named("eval"))?;
        report.kernel_distance = Some(report::Subsets::of(&score, subsets.size));
    }
    if args.asks(args.prec) {
        let found = precision_recall(reference, input, args.k)?;
        (report.precision, report.recall) = (Some(found.precision), Some(found.recall));
        report.k = Some(args.k);
    }
    let (n, k) = (reference.len(), args.dense_k);
    if args.dense || (args.asks(false) && n > k) {
        let found = density_coverage(reference, input, k)?;
        (report.density, report.coverage) = (Some(found.density), Some(found.coverage));
        report.dense_k = Some(k);
    } else if args.asks(false) {
        report.warnings.push(format!(
            "no density and coverage: {n} reference images are not more than {k} neighbours; lower --dense-k"
        ));
    }
    Ok(())
}

/// Distances within the groups of one start, and of all images.
fn pairs(features: &FeatureFile, per_start: usize) -> Result<Pairs> {
    let within = Score::of(&pairwise_distance(features, per_start)?)?;
    let of_all = pairwise_distance(features, features.len())?.into_iter().sum();
    Ok(Pairs { per_start, starts: within.n, mean: within.mean, std_error: within.std_error(), of_all })
}

/// Images on the sheet of nearest images.
const SHOWN: usize = 40;
/// Bins of the histograms of distances.
const BINS: usize = 60;

/// The sheet, the numbers and the plot of nearest images.
fn neighbours(
    args: &Args,
    report: &mut Report,
    input: (&Input, &FeatureFile),
    reference: (&Input, &FeatureFile),
) -> Result<()> {
    if args.nearest.is_none() && !args.output.plot.is_wanted() {
        return Ok(());
    }
    let found = nearest(input.1, reference.1)?;
    let distances = |found: &[Neighbour]| found.iter().map(|near| near.distance).collect::<Vec<_>>();
    let there = distances(&found);
    report.nearest = Nearest::of(&there);
    if let Some(path) = &args.nearest {
        let shown = SHOWN.min(input.1.len());
        let row = |near: &Neighbour| reference.0.batch(near.row..near.row + 1).map_err(|e| anyhow!(e));
        let found = Tensor::cat(&found[..shown].iter().map(row).collect::<Result<Vec<_>>>()?, 0)?;
        let images = input.0.batch(0..shown).map_err(|e| anyhow!(e))?;
        Sheet::beside(&[&images, &found])?.save(path)?;
        tracing::info!("images with the nearest reference image at their right: {}", path.display());
    }
    args.output.plot.save(|| {
        let back = distances(&nearest(reference.1, input.1)?);
        let sets = [("images to reference", there.as_slice()), ("reference to images", &back)];
        let counted = Histogram::of(&sets, BINS)?;
        Ok(Panels::of([histogram("nearest by features", "distance", &counted.edges, &counted.sets)]))
    })
}

impl Args {
    /// Whether a score is to be computed: it is asked for, or none is.
    fn asks(&self, flag: bool) -> bool {
        flag || !(self.is || self.fid || self.kid || self.prec || self.dense)
    }

    /// Whether something is asked for that compares with reference images.
    fn compares(&self) -> bool {
        let pictures = self.nearest.is_some() || self.output.plot.is_wanted();
        self.fid || self.kid || self.prec || self.dense || pictures
    }

    fn check(&self) -> Result<()> {
        ensure!(self.n != Some(0), "-n is 0; ask for at least one image");
        ensure!(self.per_start.is_none_or(|k| k > 1), "--per-start needs at least 2 images from each start");
        self.output.check()?;
        self.nearest.as_deref().map_or(Ok(()), |path| check_folder("--nearest", path))
    }
}

/// Both sets of images; a set without a side of its own becomes like the other.
fn inputs(args: &Args, methods: Methods, device: &Device) -> Result<(Input, Option<Input>)> {
    let (n, seed, side) = (args.n, args.seed, args.shape.side);
    let draw = Draw { n, seed, how: args.how.synthesis(), side };
    let open = |name: &str, split: Option<Split>, beside: Option<&Input>, draw: &Draw| {
        let shape = beside.map(Input::shape).transpose()?;
        match source::is_model(name) {
            true => source::model(name, draw, &args.device, methods, device),
            false => args.shape.open(&args.set, name, split, shape),
        }
    };
    let like_input = Synthesis { per_start: args.per_start, ..draw.how.clone() };
    let of_input = Draw { how: like_input, ..draw.clone() };
    let reference = args.reference.clone();
    // A run knows how its images became squares; a set beside it follows.
    let first = reference.as_ref().filter(|name| source::is_model(name) && !source::is_model(&args.input));
    if let Some(name) = first {
        let reference = open(name, None, None, &draw)?;
        return Ok((open(&args.input, args.split, Some(&reference), &of_input)?, Some(reference)));
    }
    let input = open(&args.input, args.split, None, &of_input)?;
    let reference = match (reference.as_deref(), input.run()) {
        (Some(HELD_OUT), Some(run)) => Some(run.own(Own::HeldOut, &args.set)?),
        (Some(name), _) => Some(open(name, args.ref_split, Some(&input), &draw)?),
        (None, _) if args.is && !args.compares() => None,
        (None, Some(run)) if args.ref_split.is_none() => Some(run.own(Own::Learned, &args.set)?),
        (None, Some(run)) => Some(open(run.source(), args.ref_split, Some(&input), &draw)?),
        (None, None) if !args.compares() => None,
        (None, None) => {
            bail!(
                "--fid, --kid, --prec, --dense, --nearest and --plot compare with reference images: name them with --ref"
            )
        }
    };
    Ok((input, reference))
}

fn backbone(args: &Args, device: &Device) -> Result<Backbone> {
    let convention = match args.resizing {
        Resizing::Tensorflow1 => Convention::TensorFlow1,
        Resizing::HalfPixel => Convention::HalfPixel,
    };
    if args.backbone == Network::Lite0 {
        return Ok(Backbone::lite0(device)?);
    }
    let file = args.weights.clone().map_or_else(|| hub::fetched_weights(INCEPTION), Ok)?;
    Ok(Backbone::inception(&Weights::read(&file, INCEPTION_SHA256)?, convention, device)?)
}
