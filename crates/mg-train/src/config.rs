#![allow(
    missing_docs,
    reason = "the comments of presets/default.toml say what every key means; see EXPLANATIONS"
)]

use candle_core::Device;
use mg_energy::Precision;
use mg_pyramid::Grids;
use serde::{Deserialize, Serialize};

use crate::Result;

mod explain;
mod layers;
mod nets;
mod per_grid;
mod presets;
mod validate;

pub use explain::{EXPLANATIONS, explain};
pub use layers::{Source, resolve};
pub use per_grid::PerGrid;
pub use presets::{PRESETS, Preset, preset};

/// Everything a run is made of. Every key has a value here: presets fill what a file does not say.
///
/// [`resolve`] makes one out of layers; [`Config::validate`] checks what types cannot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of every random number of the run.
    pub seed: u64,
    /// The images.
    pub data: DataConfig,
    /// The grids and their nets.
    pub model: ModelConfig,
    /// How images are synthesized while learning and after.
    pub chains: ChainsConfig,
    /// How parameters move.
    pub learn: LearnConfig,
    /// When to stop trusting a run.
    pub guard: GuardConfig,
    /// What a run leaves behind, and how often.
    pub output: OutputConfig,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    pub source: String,
    pub split: String,
    pub resize: ResizeMode,
    pub crop: usize,
    pub flip: bool,
    pub noise: f64,
    pub class: String,
    #[serde(default)] // files from before it was a key
    pub limit: u64,
    #[serde(default)]
    pub hold_out: u64,
    pub on_bad_image: BadImage,
}

/// How an image becomes square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// The whole image, its aspect lost (the authors' releases).
    Squash,
    /// The centre: `data.crop` pixels, or the largest square when that is 0.
    Crop,
}

/// What happens to an image that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadImage {
    /// Named in the log and left out.
    Skip,
    /// The run does not start.
    Refuse,
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    pub grids: Vec<usize>,
    pub nets: Nets,
    pub width: f64,
    pub padding: PaddingMode,
    pub norm: NormMode,
    pub groups: usize,
    pub activation: ActivationMode,
    pub slope: f64,
    pub reference: ReferenceMode,
    pub sigma: f64,
    pub initial: Initial,
    pub precision: PrecisionMode,
}

/// What nets multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionMode {
    /// bf16 on CPUs that multiply it faster than f32, else f32.
    Auto,
    /// f32.
    F32,
    /// Operands in bf16, sums in f32.
    Bf16,
}

impl PrecisionMode {
    /// What it means on a device.
    pub fn on(self, device: &Device) -> Precision {
        match self {
            PrecisionMode::Auto => Precision::fastest(device),
            PrecisionMode::F32 => Precision::Full,
            PrecisionMode::Bf16 => Precision::Bf16,
        }
    }
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

/// Zero padding of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaddingMode {
    /// kernel / 2 on every side.
    Same,
    /// TensorFlow's asymmetric SAME.
    SameTensorflow,
    /// 2 pixels everywhere (the map sizes of table 3).
    Two,
}

/// Normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormMode {
    /// None.
    None,
    /// Statistics of the batch at hand (the paper).
    Batch,
    /// Statistics of the observed batch.
    Observed,
    /// Statistics of the first observed batch, for ever.
    Frozen,
    /// Groups of channels of each image.
    Group,
}

/// Activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationMode {
    /// max(x, slope x).
    LeakyRelu,
    /// max(x, 0).
    Relu,
    /// x sigmoid(x).
    Silu,
}

/// The reference distribution p0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceMode {
    /// Uniform on the clamped range.
    Uniform,
    /// White noise of deviation `model.sigma`.
    Gaussian,
}

/// The form of the 1x1 histogram p(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initial {
    /// Observed RGB triples.
    Triples,
    /// One histogram a channel.
    PerChannel,
    /// One histogram for all channels.
    Pooled,
}

/// `[chains]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainsConfig {
    pub start: PerGrid<Start>,
    #[serde(default = "PerGrid::blocks")] // files from before it was a key
    pub upscale: PerGrid<UpscaleMode>,
    #[serde(default = "PerGrid::zero")] // files from before it was a key
    pub start_noise: PerGrid<f64>,
    pub steps: PerGrid<usize>,
    pub sampler: SamplerKind,
    pub step_size: PerGrid<f64>,
    #[serde(default = "PerGrid::one")]
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
pub enum Start {
    /// At the upscaled sample of the next coarser grid; that of the 1x1 grid is the image's own mean colour.
    Coarser,
    /// At the observed image.
    Data,
    /// Where the chain of the same image ended last time; at the observed image the first time.
    Persistent,
}

/// How a coarser sample becomes the start of a grid's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpscaleMode {
    /// Every pixel a constant block (the paper).
    Blocks,
    /// The smoothest image with these means.
    Smooth,
    /// A draw from the Gaussian of observed images given these means; on grids too large for one, as `Smooth`.
    Gaussian,
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

/// `[learn]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnConfig {
    pub iterations: u64,
    pub batch: usize,
    pub optimizer: OptimizerKind,
    pub rate: PerGrid<f64>,
    pub momentum: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decay: Decay,
    pub decay_to: f64,
    pub decay_passes: f64,
    pub decay_every: f64,
    pub gradient: GradientTreatment,
    pub energy_regularization: f64,
    pub ema: f64,
}

/// Optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// How the learning rate decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Not at all.
    None,
    /// In steps, evenly in the logarithm (the paper).
    Log,
}

/// What is done to a gradient before the optimiser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientTreatment {
    /// Nothing.
    Plain,
    /// Head x 0.1, kernels / map area, then every tensor to a largest absolute value of at most 1.
    ReleaseA,
}

/// `[guard]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    pub max_gap: f64,
    pub max_deviation_ratio: f64,
    pub max_saturation: f64,
    pub patience: u32,
    pub rollbacks: u32,
    pub rate_factor: f64,
}

/// `[output]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    pub checkpoint_every: u64,
    pub keep_checkpoints: usize,
    pub sheet_every: u64,
    pub sheet_images: usize,
}

impl Config {
    /// The ladder of grids.
    pub fn grids(&self) -> Result<Grids> {
        Ok(Grids::new(&self.model.grids)?)
    }

    /// Sides of the grids that have a model, coarse to fine: all but the 1x1 grid.
    pub fn sides(&self) -> &[usize] {
        self.model.grids.get(1..).unwrap_or(&[])
    }

    /// The same with nothing left to the device: what a run on `device` keeps to, wherever it goes on.
    pub fn pinned(&self, device: &Device) -> Self {
        let mut config = self.clone();
        config.model.precision = match self.model.precision.on(device) {
            Precision::Full => PrecisionMode::F32,
            Precision::Bf16 => PrecisionMode::Bf16,
        };
        config
    }
}
