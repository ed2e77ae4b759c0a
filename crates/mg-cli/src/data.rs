use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use mg_data::{DataSet, ImageSource, OnBadImage, Resize, Spec, Split, pack};

use crate::{fetch, hub, progress};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the sets that have names
    List,
    /// Look at a set: images, classes, mean, hash, what was left out
    Info(Input),
    Fetch(fetch::Args),
    /// Decode a set once into one packed file, of any size, for `--data FILE`
    Pack {
        #[command(flatten)]
        input: Input,
        /// The packed file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A set and how to read it.
#[derive(clap::Args)]
pub(crate) struct Input {
    /// A name, a folder, a parquet file, a folder in hub layout, or a packed file
    #[arg(value_name = "NAME|PATH")]
    source: String,
    /// Pixels on a side; 64 unless given, or those of a packed file
    #[arg(long)]
    side: Option<usize>,
    /// Centre crop in pixels before resizing; 0 takes the largest square; without it the image is squashed
    #[arg(long, value_name = "PIXELS")]
    crop: Option<u32>,
    /// Split of a hub-layout folder: train, test, validation or extra
    #[arg(long)]
    split: Option<String>,
    /// Fail at the first bad image instead of leaving it out
    #[arg(long)]
    refuse: bool,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List => {
            say!(
                "portraits           embedded: Noto people and smileys, 64x64, on white, with labels (Apache-2.0)"
            );
            for entry in mg_hub::sets() {
                let place = entry.repo.map_or("by hand".to_owned(), |repo| format!("hf:{repo}"));
                say!("{:<19} {}; {place} ({})", entry.name, entry.summary, entry.licence);
            }
            for weights in mg_hub::WEIGHTS {
                say!("{:<19} weights: {}", weights.name, weights.summary);
            }
            say!("{:<19} a set on the hub, once it is fetched", "hf:OWNER/NAME");
            say!("PATH                a folder of png, jpeg and webp images; sub-folders are classes");
            say!(
                "PATH                a parquet file, or a folder of them in hub layout (data/train-*.parquet)"
            );
            say!(
                "PATH                a tar or zip archive of images; .mat files, IDX files (MNIST), CIFAR's batches, an LMDB environment (data.mdb)"
            );
            say!("FILE                a file made by `mg data pack`");
        }
        Command::Fetch(args) => fetch::run(args)?,
        Command::Info(input) => {
            let set = DataSet::open(&input.spec()?)?;
            set.verify()?;
            say!("{}", set.describe()?.to_string().trim_end());
        }
        Command::Pack { input, out } => {
            let bar = progress::bar(0, "images");
            let skipped = pack(&input.spec()?, out, &mut |done, of| progress::show(&bar, done, of))?;
            bar.finish_and_clear();
            skipped.sentences().for_each(|sentence| tracing::warn!("{sentence}"));
            say!("{}", out.display());
        }
    }
    Ok(())
}

impl Input {
    fn spec(&self) -> Result<Spec> {
        let mut spec = hub::spec(&self.source)?;
        spec.side = match (self.side, &spec.source) {
            (Some(side), _) => side,
            (None, ImageSource::Packed(_)) => spec.native_size()?.0 as usize,
            (None, _) => spec.side,
        };
        spec.resize = match self.crop {
            None => Resize::Squash,
            Some(0) => Resize::CropSquare,
            Some(pixels) => Resize::Crop(pixels),
        };
        spec.split = self.split.as_deref().map(str::parse::<Split>).transpose()?;
        spec.on_bad = if self.refuse { OnBadImage::Refuse } else { OnBadImage::Skip };
        Ok(spec)
    }
}
