//! `mg eval`: how near a set of images is to another.

mod source;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mg_backbone::{Backbone, Convention, FeatureFile, INCEPTION_SHA256, Images, Logits, Weights};
use mg_eval::{Moments, Subsets, frechet_distance, inception_score, kernel_distance, precision_recall};
use mg_random::Key;
use serde::Serialize;

use crate::device::DeviceArgs;
use crate::progress;
use crate::sample::How;
use source::{Draw, Input, SetArgs};

/// Score images: inception score, and against reference images Fréchet and kernel inception distance, precision and recall
/// (sections 6.2, 6.3). Without --is, --fid, --kid, --prec: all that can be computed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Images: a set (`mg data list`), a folder, a packed file; or a run or model, from which they are drawn
    #[arg(long, value_name = "SET|RUN")]
    input: String,
    /// Reference images, in the same forms; for a run unless given: the images it was learned from
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
    /// The network that looks at the images; its name belongs beside every number
    #[arg(long, value_enum, default_value_t = Network::Lite0)]
    backbone: Network,
    /// Weights of the 2015 Inception graph: pt_inception-2015-12-05-6726825d.pth, or safetensors with its names
    #[arg(long, value_name = "FILE", required_if_eq("backbone", "inception"))]
    weights: Option<PathBuf>,
    /// How Inception's input is made: tensorflow-1 for numbers comparable with published ones
    #[arg(long, value_enum, default_value_t = Resizing::Tensorflow1)]
    resizing: Resizing,
    /// Split of the input set: train, test or validation
    #[arg(long)]
    split: Option<String>,
    /// Split of the reference set
    #[arg(long)]
    ref_split: Option<String>,
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
    #[arg(long, default_value_t = 3)]
    k: usize,
    /// Folder for features, so that none is computed twice
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// Also write the numbers to a JSON file; `-` prints them in place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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

/// The numbers, as written to JSON.
#[derive(Serialize)]
struct Report {
    backbone: &'static str,
    backbone_id: String,
    input: Side,
    reference: Option<Side>,
    inception_score: Option<Split>,
    frechet_distance: Option<f64>,
    kernel_distance: Option<Subset>,
    precision: Option<f64>,
    recall: Option<f64>,
    k: Option<usize>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Side {
    what: String,
    id: String,
    images: usize,
}

#[derive(Serialize)]
struct Split {
    mean: f64,
    std_dev: f64,
    splits: usize,
}

#[derive(Serialize)]
struct Subset {
    mean: f64,
    std_dev: f64,
    subsets: usize,
    subset: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let device = args.device.open()?;
    let (input, reference) = inputs(args, &device)?;
    let asked = |flag: bool| flag || !(args.is || args.fid || args.kid || args.prec);
    let backbone = backbone(args, &device)?;
    let scratch = tempfile::tempdir().context("cannot make a folder for features")?;
    let folder = args.features.as_deref().unwrap_or(scratch.path());
    let features = |images: &Input| {
        let bar = progress::bar(images.len() as u64, "images");
        bar.set_message(images.describe());
        let file = FeatureFile::fill(folder, &backbone, images, &mut |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        file
    };
    let of_input = features(&input)?;
    let mut report = Report::of(&backbone, &input, reference.as_ref());
    if asked(args.is) {
        let score = inception_score(&Logits { features: &of_input, backbone: &backbone }, args.splits)?;
        report.inception_score = Some(Split { mean: score.mean, std_dev: score.std_dev, splits: score.n });
    }
    let Some(reference) = reference else { return report.out(args) };
    let of_reference = features(&reference)?;
    if asked(args.fid) {
        let distance = frechet_distance(&Moments::of(&of_input)?, &Moments::of(&of_reference)?)?;
        report.frechet_distance = Some(distance.distance());
        report.warnings.extend(distance.warning());
    }
    if asked(args.kid) {
        let subset = args.subset.unwrap_or(1000.min(input.len()).min(reference.len()));
        let subsets = Subsets { size: subset, ..Subsets::default() };
        let key = Key::new(args.seed).named("eval");
        let score = kernel_distance(&of_input, &of_reference, subsets, key)?;
        let (mean, std_dev) = (score.mean, score.std_dev);
        report.kernel_distance = Some(Subset { mean, std_dev, subsets: subsets.n, subset });
    }
    if asked(args.prec) {
        let found = precision_recall(&of_reference, &of_input, args.k)?;
        (report.precision, report.recall) = (Some(found.precision), Some(found.recall));
        report.k = Some(args.k);
    }
    report.out(args)
}

/// Both sets of images; a set without a side of its own becomes like the other.
fn inputs(args: &Args, device: &Device) -> Result<(Input, Option<Input>)> {
    ensure!(args.n != Some(0), "-n is 0; ask for at least one image");
    let draw = Draw { n: args.n, seed: args.seed, how: args.how.synthesis() };
    let open = |name: &str, split: Option<&String>, beside: Option<&Input>| match source::is_model(name) {
        true => source::model(name, &draw, &args.device, device),
        false => args.set.open(name, split.map(String::as_str), beside.map(Input::shape).transpose()?),
    };
    let reference = args.reference.clone();
    // A run knows how its images became squares; a set beside it follows.
    let first = reference.as_ref().filter(|name| source::is_model(name) && !source::is_model(&args.input));
    if let Some(name) = first {
        let reference = open(name, None, None)?;
        return Ok((open(&args.input, args.split.as_ref(), Some(&reference))?, Some(reference)));
    }
    let input = open(&args.input, args.split.as_ref(), None)?;
    let reference = reference.or_else(|| input.learned_from());
    let wanted = args.reference.is_some() || args.fid || args.kid || args.prec || !args.is;
    let reference = reference.filter(|_| wanted);
    ensure!(
        reference.is_some() || !(args.fid || args.kid || args.prec),
        "--fid, --kid and --prec compare with reference images: name them with --ref"
    );
    let reference = reference.map(|name| open(&name, args.ref_split.as_ref(), Some(&input))).transpose()?;
    Ok((input, reference))
}

fn backbone(args: &Args, device: &Device) -> Result<Backbone> {
    let convention = match args.resizing {
        Resizing::Tensorflow1 => Convention::TensorFlow1,
        Resizing::HalfPixel => Convention::HalfPixel,
    };
    match (args.backbone, &args.weights) {
        (Network::Lite0, _) => Ok(Backbone::lite0(device)?),
        (Network::Inception, Some(file)) => {
            Ok(Backbone::inception(&Weights::read(file, INCEPTION_SHA256)?, convention, device)?)
        }
        (Network::Inception, None) => anyhow::bail!("--backbone inception needs --weights FILE"),
    }
}

impl Report {
    fn of(backbone: &Backbone, input: &Input, reference: Option<&Input>) -> Self {
        let side = |images: &Input| Side { what: images.describe(), id: images.id(), images: images.len() };
        Self {
            backbone: backbone.name(),
            backbone_id: backbone.id().to_owned(),
            input: side(input),
            reference: reference.map(side),
            inception_score: None,
            frechet_distance: None,
            kernel_distance: None,
            precision: None,
            recall: None,
            k: None,
            warnings: vec![],
        }
    }

    /// Writes JSON where it is asked for, and prints the table.
    fn out(&self, args: &Args) -> Result<()> {
        self.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if let Some(path) = &args.json {
            let json = serde_json::to_string_pretty(self)?;
            if path.as_os_str() == "-" {
                say!("{json}");
                return Ok(());
            }
            mg_files::write(path, format!("{json}\n").as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let side = |side: &Side| format!("{} images of {}", side.images, side.what);
        say!("{:<26}{}", "input", side(&self.input));
        if let Some(reference) = &self.reference {
            say!("{:<26}{}", "reference", side(reference));
        }
        say!("{:<26}{}", "features of", self.backbone);
        if let Some(Split { mean, std_dev, splits }) = self.inception_score {
            say!("{:<26}{mean:>9.4} ± {std_dev:.4} ({splits} splits)", "inception score");
        }
        if let Some(distance) = self.frechet_distance {
            say!("{:<26}{distance:>9.4}", "Fréchet distance");
        }
        if let Some(Subset { mean, std_dev, subsets, subset }) = self.kernel_distance {
            say!("{:<26}{mean:>9.5} ± {std_dev:.5} ({subsets} subsets of {subset})", "kernel distance");
        }
        if let (Some(precision), Some(recall), Some(k)) = (self.precision, self.recall, self.k) {
            say!("{:<26}{precision:>9.4} (k = {k})", "precision");
            say!("{:<26}{recall:>9.4}", "recall");
        }
        Ok(())
    }
}
