#![allow(missing_docs, reason = "the comments of keys/multigrid.toml say what every key means; see KEYS")]

use mg_energy::{ActivationKind, NetSpec, NormKind, PaddingKind, PrecisionKind, ReferenceKind};
use mg_pyramid::{Grids, InitialForm, UpscaleKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KEYS, PerGrid};
use crate::{Error, Result};

/// What a multi-grid model is made of and how it is sampled: the parts of a configuration that a finished model needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The grids and their nets.
    pub model: ModelConfig,
    /// How images are synthesized while learning and after.
    pub chains: ChainsConfig,
    /// Images, and chains, per iteration (`learn.batch`).
    pub batch: usize,
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    pub grids: Vec<usize>,
    #[serde(default = "density")] // files from before it was a key
    pub law: PerGrid<Law>,
    #[serde(default = "clock")]
    pub clock: usize,
    pub nets: Nets,
    pub width: f64,
    pub padding: PaddingKind,
    pub norm: NormKind,
    pub groups: usize,
    pub activation: PerGrid<ActivationKind>,
    pub slope: f64,
    pub reference: ReferenceKind,
    pub sigma: f64,
    pub initial: InitialForm,
    pub precision: PrecisionKind,
}

/// What the net of a grid tells of its images given the coarser ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// How likely an image is: the score f of p(x) ~ exp(f(x)) p0(x).
    Density,
    /// The velocity df/dx of images at time t on straight paths from where chains begin to observed images.
    Flow,
}

/// The nets of the grids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Nets {
    /// A family with a net for every side.
    Named(NetFamily),
    /// Per grid, coarse to fine, the layers as [channels, kernel, stride].
    Layers(Vec<Vec<[usize; 3]>>),
}

/// Families of nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetFamily {
    /// Section 6.1.
    Paper,
    /// Section 6.3: the paper's, with DCGAN's discriminator at the finest grid.
    DcganFinest,
}

/// `[chains]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainsConfig {
    pub start: PerGrid<ChainStart>,
    #[serde(default = "blocks")] // files from before it was a key
    pub upscale: PerGrid<UpscaleKind>,
    #[serde(default = "zero")] // files from before it was a key
    pub start_noise: PerGrid<f64>,
    pub steps: PerGrid<usize>,
    pub sampler: SamplerKind,
    pub step_size: PerGrid<f64>,
    #[serde(default = "one")]
    pub step_decay: PerGrid<f64>,
    pub noise_scale: PerGrid<f64>,
    pub leapfrog: usize,
    pub clamp: bool,
    pub hidden_square: usize,
    pub noise_free_synthesis: bool,
}

/// Where the chains of a grid start. With the grids and the number of steps, this is all that sets the methods
/// apart: multi-grid (`coarser`), CD (`data`), persistent CD (`persistent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainStart {
    /// At the upscaled sample of the next coarser grid; that of the 1x1 grid is the image's own mean colour.
    Coarser,
    /// At the version of the observed image on the next coarser grid, upscaled: each grid learns what it adds to given
    /// coarse images, whatever the coarser grids' own chains make. After learning as [`Coarser`](ChainStart::Coarser).
    Reduced,
    /// At the observed image.
    Data,
    /// Where the chain of the same image ended last time; at the observed image the first time.
    Persistent,
}

/// The transition kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// Equation (6).
    Langevin,
    /// Metropolis-adjusted Langevin.
    Mala,
    /// Hamiltonian Monte Carlo.
    Hmc,
}

/// What a key was before it was one: for files from then.
fn density() -> PerGrid<Law> {
    PerGrid::All(Law::Density)
}

fn clock() -> usize {
    3
}

fn blocks() -> PerGrid<UpscaleKind> {
    PerGrid::All(UpscaleKind::Blocks)
}

fn zero() -> PerGrid<f64> {
    PerGrid::All(0.0)
}

fn one() -> PerGrid<f64> {
    PerGrid::All(1.0)
}

/// The most images of a batch.
const MAX_BATCH: usize = 1 << 20;
/// The most numbers in the maps of one layer, of all images of a batch: 4 GiB of them.
const MAX_MAPS: usize = 1 << 30;
/// The largest channel number, kernel or stride of a layer.
const MAX_LAYER: usize = 1 << 14;

impl Settings {
    /// The settings in a configuration's `[model]`, `[chains]` and `learn.batch`.
    ///
    /// # Errors
    /// When a key is missing or out of range, or nets and lists do not fit the grids.
    pub fn of_config(config: &Value) -> Result<Self> {
        check_keys(config)?;
        let part = |name: &str| config.get(name).cloned().unwrap_or(Value::Null);
        let unreadable = |section: &str, error: serde_json::Error| {
            Error::Format(format!("the section [{section}] of its configuration is not readable ({error})"))
        };
        let batch = config.pointer("/learn/batch").and_then(Value::as_u64).unwrap_or(0);
        let settings = Settings {
            model: serde_json::from_value(part("model")).map_err(|e| unreadable("model", e))?,
            chains: serde_json::from_value(part("chains")).map_err(|e| unreadable("chains", e))?,
            batch: usize::try_from(batch).unwrap_or(0),
        };
        settings.validate()?;
        Ok(settings)
    }

    /// The ladder of grids.
    ///
    /// # Errors
    /// When sides do not go up from 1.
    pub fn grids(&self) -> Result<Grids> {
        Ok(Grids::new(&self.model.grids)?)
    }

    /// Whether the law of grid number `level`, coarse to fine, is a flow.
    pub fn is_flow(&self, level: usize) -> bool {
        self.model.law.at(level) == Law::Flow
    }

    /// Sides of the grids that have a model, coarse to fine: all but the 1x1 grid.
    pub fn sides(&self) -> &[usize] {
        self.model.grids.get(1..).unwrap_or(&[])
    }

    /// Checks what ranges of keys cannot: that nets and lists fit the grids, and that keys fit each other.
    ///
    /// # Errors
    /// Names the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        let levels = self.grids()?.sides().len() - 1;
        if !(1..=MAX_BATCH).contains(&self.batch) {
            let must = format!("a whole number from 1 to {MAX_BATCH}");
            return Err(Error::value("learn.batch", self.batch, must));
        }
        self.check_layers()?;
        self.check_lists(levels)?;
        for level in 0..levels {
            self.check_memory(&self.net_spec(level)?)?;
        }
        self.check_flows()?;
        self.check_methods()
    }

    /// Refuses what no computer has the memory for: images of a batch are learned, and drawn, together.
    fn check_memory(&self, spec: &NetSpec) -> Result<()> {
        let most = MAX_MAPS / spec.largest_map()?.max(1);
        if self.batch <= most {
            return Ok(());
        }
        let must = format!(
            "at most {most} with such nets: a layer's maps of a batch hold {MAX_MAPS} numbers at most"
        );
        Err(Error::value("learn.batch", self.batch, must))
    }

    fn check_layers(&self) -> Result<()> {
        let Nets::Layers(grids) = &self.model.nets else { return Ok(()) };
        match grids.iter().flatten().find(|layer| layer.iter().any(|&number| number > MAX_LAYER)) {
            Some([channels, kernel, stride]) => Err(Error::value(
                "model.nets",
                format!("a layer [{channels}, {kernel}, {stride}]"),
                format!("of numbers up to {MAX_LAYER}"),
            )),
            None => Ok(()),
        }
    }

    fn check_lists(&self, levels: usize) -> Result<()> {
        let chains = &self.chains;
        self.model.law.check_len("model.law", levels)?;
        self.model.activation.check_len("model.activation", levels)?;
        chains.start.check_len("chains.start", levels)?;
        chains.upscale.check_len("chains.upscale", levels)?;
        chains.start_noise.check_len("chains.start_noise", levels)?;
        chains.steps.check_len("chains.steps", levels)?;
        chains.step_size.check_len("chains.step_size", levels)?;
        chains.step_decay.check_len("chains.step_decay", levels)?;
        chains.noise_scale.check_len("chains.noise_scale", levels)
    }

    /// Refuses flows by nets that cannot be learned as such.
    fn check_flows(&self) -> Result<()> {
        let (model, chains) = (&self.model, &self.chains);
        for (level, side) in self.sides().iter().enumerate().filter(|(level, _)| self.is_flow(*level)) {
            let of = format!("where the {side}x{side} grid has model.law = \"flow\"");
            let word = |value: Value| value.as_str().unwrap_or_default().to_string();
            if model.norm != NormKind::None {
                let norm = word(serde_json::to_value(model.norm).unwrap_or_default());
                return Err(Error::value("model.norm", norm, format!("\"none\" {of}")));
            }
            if model.activation.at(level) != ActivationKind::Silu {
                let found = word(serde_json::to_value(model.activation.at(level)).unwrap_or_default());
                let must = format!("\"silu\" {of}: gradients of nets with kinks cannot be learned");
                return Err(Error::value("model.activation", found, must));
            }
            if matches!(chains.start.at(level), ChainStart::Data | ChainStart::Persistent) {
                let found = word(serde_json::to_value(chains.start.at(level)).unwrap_or_default());
                return Err(Error::value("chains.start", found, format!("\"coarser\" {of}")));
            }
        }
        Ok(())
    }

    fn check_methods(&self) -> Result<()> {
        let finest = self.sides().last().copied().unwrap_or(0);
        let hidden = self.chains.hidden_square;
        if hidden > finest {
            let must = format!("at most the finest grid's side, {finest}");
            return Err(Error::value("chains.hidden_square", hidden, must));
        }
        if self.model.norm != NormKind::Batch {
            return Ok(());
        }
        if self.batch < 2 {
            return Err(Error::value("learn.batch", self.batch, "at least 2 with model.norm = \"batch\""));
        }
        if self.chains.sampler != SamplerKind::Langevin {
            let sampler = format!("{:?}", self.chains.sampler).to_lowercase();
            return Err(Error::value(
                "chains.sampler",
                sampler,
                "\"langevin\" with model.norm = \"batch\": batch statistics couple the chains, so none can be accepted alone",
            ));
        }
        Ok(())
    }
}

/// Checks what is there of the documented keys against their ranges and forms.
fn check_keys(config: &Value) -> Result<()> {
    for key in KEYS.iter() {
        let Some(value) = config.pointer(&format!("/{}", key.name.replace('.', "/"))) else { continue };
        key.check(value)?;
        let has_form = match key.name.as_str() {
            "model.grids" => Vec::<usize>::deserialize(value).is_ok(),
            "model.nets" => Nets::deserialize(value).is_ok(),
            _ => true,
        };
        if !has_form {
            return Err(Error::value(&key.name, value, &key.range));
        }
    }
    Ok(())
}
