use std::cell::RefCell;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use mg_backbone::Images;
use mg_data::{DataSet, OnBadImage, Resize, Spec, Split};
use mg_model::{Model, Synthesis};
use mg_pyramid::down;
use mg_random::Key;
use mg_train::run::MODEL;
use mg_train::{Methods, Selection};
use sha2::{Digest, Sha256};

use crate::device::DeviceArgs;
use crate::hub;
use crate::set::{SetArgs, title};

/// How images become squares.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ShapeArgs {
    /// Pixels on a side; unless given, those of the run, else of the set's first image, and all must agree. A set that has
    /// them already is not touched; images drawn from a run are reduced to them by means of blocks
    #[arg(long)]
    pub(crate) side: Option<usize>,
    /// Centre crop in pixels before resizing; 0 takes the largest square; without it the image is squashed
    #[arg(long, value_name = "PIXELS", requires = "side")]
    crop: Option<u32>,
}

/// Images from a set, or drawn from a model as they are asked for.
pub(crate) enum Input {
    Set(DataSet),
    Run(Box<Drawn>),
}

/// Images of a model.
pub(crate) struct Drawn {
    model: Box<dyn Model>,
    /// SHA-256 of the model's file, and everything else that the images depend on.
    id: String,
    n: usize,
    how: Synthesis,
    key: Key,
    device: Device,
    chunk: usize,
    side: usize,
    /// The chunk drawn last.
    last: RefCell<Option<(usize, Tensor)>>,
}

/// How images are drawn from a model.
#[derive(Clone)]
pub(crate) struct Draw {
    pub(crate) n: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) how: Synthesis,
    /// Pixels on a side; those of the finest grid unless given.
    pub(crate) side: Option<usize>,
}

/// Images that a model draws unless told.
const DRAWN: usize = 2000;

/// Whether a path holds a model, or the hub one of this name and no set that was fetched.
pub(crate) fn is_model(name: &str) -> bool {
    let path = Path::new(name);
    path.join(MODEL).is_file()
        || path.extension().is_some_and(|e| e == "safetensors")
        || (name.starts_with(mg_hub::PREFIX) && !hub::is_fetched_set(name))
}

/// Images that a run has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Those that it learned.
    Learned,
    /// Those that it held out.
    HeldOut,
}

/// The model at `name`, ready to draw from.
pub(crate) fn model(
    name: &str,
    draw: &Draw,
    args: &DeviceArgs,
    methods: Methods,
    device: &Device,
) -> Result<Input> {
    let (model, bytes) = hub::model_and_bytes(Path::new(name), None, methods, device)?;
    let model = args.adjust(model, device);
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let (n, seed, how) = (draw.n.unwrap_or(DRAWN), draw.seed, draw.how.clone());
    let finest = model.side();
    let side = draw.side.unwrap_or(finest);
    ensure!(
        side <= finest,
        "--side {side}: the model draws {finest} x {finest} pixels, which are not enlarged"
    );
    let precision = args.precision().map(|precision| precision.on(device));
    let id = format!("model {hash} n {n} seed {seed} side {side} {how:?} {precision:?}");
    let chunk = model.must_generate()?.chunk_len(&how)?;
    let (key, device, last) = (Key::new(seed), device.clone(), RefCell::new(None));
    Ok(Input::Run(Box::new(Drawn { model, id, n, how, key, device, chunk, side, last })))
}

impl ShapeArgs {
    /// The set at `name`. Without a side of its own it takes `beside`'s side and way of resizing.
    pub(crate) fn open(
        &self,
        set: &SetArgs,
        name: &str,
        split: Option<Split>,
        beside: Option<(usize, Resize)>,
    ) -> Result<Input> {
        let mut spec = hub::spec(name)?;
        spec.split = split;
        let (native, is_cropped) = (spec.native_size()?, self.crop.is_some());
        let wanted = self.side.map(|side| (side, self.resize())).or(beside);
        (spec.side, spec.resize) = match (wanted, native) {
            // What has its side already was cropped before.
            (Some((side, _)), native) if is_cropped && native == (side as u32, side as u32) => {
                (side, Resize::Exact)
            }
            (Some(wanted), _) => wanted,
            (None, (width, height)) => {
                ensure!(
                    width == height,
                    "the images of {name} have {width} x {height} pixels: say with --side S (and --crop PIXELS) how they \
                     become squares"
                );
                (width as usize, Resize::Exact)
            }
        };
        spec.on_bad = OnBadImage::Refuse;
        Ok(Input::Set(set.read(spec)?))
    }

    fn resize(&self) -> Resize {
        match self.crop {
            None => Resize::Squash,
            Some(0) => Resize::CropSquare,
            Some(pixels) => Resize::Crop(pixels),
        }
    }
}

impl Input {
    /// Side of the images, and how those of a set that is compared with them become like them.
    pub(crate) fn shape(&self) -> Result<(usize, Resize)> {
        match self {
            Self::Set(set) => Ok((set.side(), set.resize().parse()?)),
            Self::Run(drawn) => Ok((drawn.side, Selection::of_model(&*drawn.model)?.resize())),
        }
    }

    /// The model that the images are drawn from.
    pub(crate) fn run(&self) -> Option<&Drawn> {
        match self {
            Self::Set(_) => None,
            Self::Run(drawn) => Some(drawn),
        }
    }

    /// What these images are, for reports.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Set(set) => title(set),
            Self::Run(drawn) => format!("images drawn from a model of {}", drawn.model.header().data.source),
        }
    }
}

impl Images for Input {
    fn id(&self) -> String {
        match self {
            Self::Set(set) => format!("set {}", set.content_hash()),
            Self::Run(drawn) => drawn.id.clone(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Set(set) => set.len() as usize,
            Self::Run(drawn) => drawn.n,
        }
    }

    fn batch(&self, range: Range<usize>) -> Result<Tensor, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Set(set) => {
                let indices: Vec<u64> = range.map(|i| i as u64).collect();
                Ok(set.batch(&indices, &[], &Device::Cpu)?)
            }
            Self::Run(drawn) => Ok(drawn.batch(range)?),
        }
    }
}

impl Drawn {
    /// Name of the set that the model was learned from.
    pub(crate) fn source(&self) -> &str {
        &self.model.header().data.source
    }

    /// The images that the model was learned from, or those that its run held out, by the side of the images drawn: of the very
    /// content that it learned.
    pub(crate) fn own(&self, own: Own, set: &SetArgs) -> Result<Input> {
        let (selection, known) = (Selection::of_model(&*self.model)?, &self.model.header().data);
        let elsewhere = || {
            let (source, images) = (&known.source, known.images);
            format!(
                "the {images} images of {source} that the model was learned from are not here; name others with --ref"
            )
        };
        let spec = hub::selected(&selection).with_context(elsewhere)?;
        let whole = set.read(spec.clone()).with_context(elsewhere)?;
        let learned = selection.to_learn(&whole).with_context(elsewhere)?;
        ensure!(
            learned.content_hash() == known.sha256,
            "{}: those that are here have SHA-256 {}, those had {}",
            elsewhere(),
            learned.content_hash(),
            known.sha256
        );
        let whole = match self.side == selection.side {
            true => whole,
            false => set.read(Spec { side: self.side, ..spec })?,
        };
        let part = match own {
            Own::Learned => selection.to_learn(&whole)?,
            Own::HeldOut => selection.held_out(&whole)?,
        };
        Ok(Input::Set(selection.of_class(part)?))
    }

    fn batch(&self, range: Range<usize>) -> Result<Tensor> {
        let mut parts = vec![];
        for chunk in range.start / self.chunk..range.end.div_ceil(self.chunk) {
            let first = chunk * self.chunk;
            let images = self.drawn(chunk)?;
            let (from, to) = (range.start.max(first) - first, range.end.min(first + self.chunk) - first);
            parts.push(images.narrow(0, from, to - from)?);
        }
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// One chunk of images, on the CPU.
    fn drawn(&self, chunk: usize) -> Result<Tensor> {
        if let Some((number, images)) = &*self.last.borrow()
            && *number == chunk
        {
            return Ok(images.clone());
        }
        let (n, how, device) = (self.n, &self.how, &self.device);
        let unobserved = &mut mg_langevin::unobserved;
        let grids = self.model.must_generate()?.chunk(chunk, n, how, self.key, device, unobserved)?;
        let finest =
            down(grids.last().context("the model has no grid")?, self.side)?.to_device(&Device::Cpu)?;
        *self.last.borrow_mut() = Some((chunk, finest.clone()));
        Ok(finest)
    }
}
