use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use mg_eval::SampleStatistics;
use mg_figures::Sheet;
use mg_langevin::Progress;
use mg_model::{Model, Synthesis};
use mg_random::Key;
use mg_train::Methods;
use sha2::{Digest, Sha256};

use crate::device::DeviceArgs;
use crate::output::{ImageFolder, beside};
use crate::{hub, progress};

/// Draw images from p(0) and the energies alone. Writes DIR/00000.png, ... as they are drawn, and DIR-sheet.png of the first. The
/// same command goes on where it was stopped.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory, model.safetensors, or hf:OWNER/NAME, which is fetched unless it is there
    run: PathBuf,
    /// Branch, tag or commit of a model on the hub; `main` unless given
    #[arg(long)]
    revision: Option<String>,
    /// Number of images
    #[arg(short, default_value_t = 100)]
    n: usize,
    /// Folder for the images
    #[arg(long, value_name = "DIR", default_value = "samples")]
    out: PathBuf,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write the coarser grids, each into a folder of its own (DIR-4x4), and show them on the sheet
    #[arg(long)]
    grids: bool,
    /// Let so many images in a row begin from the same 1x1 image (figure 5)
    #[arg(long, value_name = "K")]
    per_start: Option<usize>,
    /// Also write DIR-chains.png: how the first images come about, after the first and every K-th step on every grid
    #[arg(long, value_name = "K")]
    chains: Option<NonZeroUsize>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    device: DeviceArgs,
}

/// How images are synthesized, for all commands that do.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct How {
    /// Class of a conditional model
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Noise of the sampler; as configured (chains.noise_free_synthesis) unless given
    #[arg(long, value_name = "on|off")]
    noise: Option<OnOff>,
    /// Steps per grid; as learned unless given
    #[arg(long, value_name = "N")]
    chain_steps: Option<usize>,
    /// Normalise with statistics of observed images, not of the batch (nets with batch statistics)
    #[arg(long)]
    frozen: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum OnOff {
    On,
    Off,
}

impl How {
    pub(crate) fn synthesis(&self) -> Synthesis {
        Synthesis {
            class: self.class.clone(),
            noise: self.noise.map(|noise| noise == OnOff::On),
            steps: self.chain_steps,
            per_start: None,
            frozen: self.frozen,
        }
    }
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    anyhow::ensure!(args.n > 0, "-n is 0; ask for at least one image");
    let device = args.device.open()?;
    let (model, bytes) = hub::model_and_bytes(&args.run, args.revision.as_deref(), methods, &device)?;
    let model = args.device.adjust(model, &device);
    let folders = args.folders(&*model, &args.recipe(&bytes, &device))?;
    drop(bytes);
    let how = Synthesis { per_start: args.per_start, ..args.how.synthesis() };
    let (generator, key) = (model.must_generate()?, Key::new(args.seed));
    let len = generator.chunk_len(&how)?;
    let bar = progress::bar(args.n as u64, "images");
    let mut chains = Chains { every: args.chains, states: Vec::new(), done: false };
    let mut shown = Shown::default();
    let mut statistics = SampleStatistics::default();
    for chunk in 0..args.n.div_ceil(len) {
        let numbers = chunk * len..args.n.min((chunk + 1) * len);
        // What the sheet shows is drawn again, that it may be the same.
        if numbers.start >= ON_SHEET && folders.iter().all(|folder| folder.has(numbers.clone())) {
            continue;
        }
        let observer = &mut |step: &Progress<'_>| chains.observe(step);
        let grids = generator.chunk(chunk, args.n, &how, key, &device, observer)?;
        let wanted = &grids[grids.len() - folders.len()..];
        for (folder, grid) in folders.iter().zip(wanted) {
            folder.write(numbers.start, grid)?;
        }
        statistics = statistics.with(&SampleStatistics::of(wanted.last().context("the model has no grid")?)?);
        shown.add(wanted)?;
        bar.set_position(numbers.end as u64);
    }
    bar.finish_and_clear();
    tracing::info!(
        "pixels of the images drawn: mean {:+.4}, deviation {:.4}, at the ends of the range {:.2} %",
        statistics.mean,
        statistics.std_dev,
        100.0 * statistics.saturated
    );
    args.write_sheets(&folders, &shown, &chains)
}

/// Images on the sheet, at most: the first ones.
const ON_SHEET: usize = 400;

/// The first images of every grid that is wanted, for the sheet.
#[derive(Default)]
struct Shown {
    count: usize,
    /// By chunks, then by grids, coarse to fine.
    grids: Vec<Vec<Tensor>>,
}

impl Shown {
    fn add(&mut self, grids: &[Tensor]) -> Result<()> {
        let count = (ON_SHEET - self.count).min(grids[0].dim(0)?);
        if count > 0 {
            self.grids
                .push(grids.iter().map(|grid| grid.narrow(0, 0, count)).collect::<candle_core::Result<_>>()?);
            self.count += count;
        }
        Ok(())
    }

    /// Every grid's images, [n, c, s, s].
    fn all(&self) -> Result<Vec<Tensor>> {
        let grids = self.grids.first().map_or(0, Vec::len);
        let of = |g: usize| Tensor::cat(&self.grids.iter().map(|chunk| &chunk[g]).collect::<Vec<_>>(), 0);
        Ok((0..grids).map(of).collect::<candle_core::Result<_>>()?)
    }
}

/// Images that `--chains` shows.
const SHOWN: usize = 8;

/// States of the first images on their way through the grids (figure 1).
struct Chains {
    /// Steps between states; none are kept without.
    every: Option<NonZeroUsize>,
    /// [n, c, s, s] each, coarse to fine, step by step.
    states: Vec<Tensor>,
    /// Whether the first images are finished.
    done: bool,
}

impl Chains {
    fn observe(&mut self, at: &Progress<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(every) = self.every else { return Ok(()) };
        self.done |= (at.level, at.step) == (0, 0) && !self.states.is_empty();
        let is_shown = at.step == 0 || (at.step + 1).is_multiple_of(every.get()) || at.step + 1 == at.n_steps;
        if is_shown && !self.done {
            self.states.push(at.x.narrow(0, 0, SHOWN.min(at.x.dim(0)?))?);
        }
        Ok(())
    }
}

impl Args {
    /// All that the images depend on.
    fn recipe(&self, model: &[u8], device: &Device) -> String {
        let hash: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
        let (how, precision) = (self.how.synthesis(), self.device.precision());
        format!(
            "model {hash} seed {} per start {:?} {how:?} {precision:?} {:?}",
            self.seed,
            self.per_start,
            device.location()
        )
    }

    /// Folders for the grids that are wanted, coarse to fine.
    fn folders(&self, model: &dyn Model, recipe: &str) -> Result<Vec<ImageFolder>> {
        let sides = model.must_generate()?.sides();
        let coarser = if self.grids { &sides[..sides.len().saturating_sub(1)] } else { &[] };
        let paths = coarser.iter().map(|side| beside(&self.out, &format!("-{side}x{side}")));
        let paths = paths.chain([Ok(self.out.clone())]).collect::<Result<Vec<_>>>()?;
        paths.iter().map(|path| ImageFolder::make(path, self.n, recipe)).collect()
    }

    /// The sheet of the first images, and that of chains where they are wanted.
    fn write_sheets(&self, folders: &[ImageFolder], shown: &Shown, chains: &Chains) -> Result<()> {
        let grids = shown.all()?;
        let mut sheet = Sheet::beside(&grids.iter().collect::<Vec<_>>())?;
        if let Some(per_start) = self.per_start {
            // One row for each start, or several for each.
            sheet = sheet.columns(per_start * (10 / per_start).max(1));
        }
        if self.n > shown.count {
            tracing::info!("the sheet shows the first {} of {} images", shown.count, self.n);
        }
        let finest = folders.last().context("the model has no grid")?;
        say!("{}", finest.write_sheet(&sheet)?.display());
        if !chains.states.is_empty() {
            let path = beside(&self.out, "-chains.png")?;
            Sheet::beside(&chains.states.iter().collect::<Vec<_>>())?.columns(1).save(&path)?;
            say!("{}", path.display());
        }
        Ok(())
    }
}
