use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use candle_core::Tensor;
use mg_figures::Sheet;
use mg_langevin::Progress;
use mg_model::{Model, Synthesis, generate};
use mg_random::Key;
use mg_train::Methods;

use crate::device::DeviceArgs;
use crate::output::{ImageFolder, beside};
use crate::{hub, progress};

/// Draw images from p(0) and the energies alone. Writes DIR/00000.png, ... and DIR-sheet.png.
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
    let model =
        args.device.adjust(hub::model(&args.run, args.revision.as_deref(), methods, &device)?, &device);
    let folder = ImageFolder::make(&args.out, args.n)?;
    let coarser = args.coarser_folders(&*model)?;
    let bar = progress::bar(args.n as u64, "images");
    let how = Synthesis { per_start: args.per_start, ..args.how.synthesis() };
    let key = Key::new(args.seed);
    let mut chains = Chains { every: args.chains, states: Vec::new(), done: false };
    let grids =
        generate(&*model, args.n, &how, key, &device, &mut |step| chains.observe(step), &mut |done| {
            bar.set_position(done as u64);
        })?;
    bar.finish_and_clear();
    let finest = grids.last().context("the model has no grid")?;
    folder.write(finest)?;
    let statistics = mg_eval::SampleStatistics::of(finest)?;
    tracing::info!(
        "pixels of {} images: mean {:+.4}, deviation {:.4}, at the ends of the range {:.2} %",
        args.n,
        statistics.mean,
        statistics.std_dev,
        100.0 * statistics.saturated
    );
    let mut sheet = Sheet::of(finest)?;
    if args.grids {
        for (folder, grid) in coarser.iter().zip(&grids) {
            folder.write(grid)?;
        }
        sheet = Sheet::beside(&grids.iter().collect::<Vec<_>>())?;
    }
    if let Some(per_start) = args.per_start {
        // One row for each start, or several for each.
        sheet = sheet.columns(per_start * (10 / per_start).max(1));
    }
    say!("{}", folder.write_sheet(&sheet)?.display());
    if !chains.states.is_empty() {
        let path = beside(&args.out, "-chains.png")?;
        Sheet::beside(&chains.states.iter().collect::<Vec<_>>())?.columns(1).save(&path)?;
        say!("{}", path.display());
    }
    Ok(())
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
    /// Folders for the grids below the finest, where they are wanted.
    fn coarser_folders(&self, model: &dyn Model) -> Result<Vec<ImageFolder>> {
        let sides = model.must_generate()?.sides();
        let coarser = if self.grids { &sides[..sides.len().saturating_sub(1)] } else { &[] };
        let folder = |side| ImageFolder::make(&beside(&self.out, &format!("-{side}x{side}"))?, self.n);
        coarser.iter().map(folder).collect()
    }
}
