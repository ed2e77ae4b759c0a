use std::iter::once;

use mg_kernels::{ConvGeometry, LayerShape, Precision, ScoreShape};

use crate::{Error, Result};

/// The description of a score network: convolutions, each followed by normalisation and activation, then a fully
/// connected layer to one number (section 6.1).
#[derive(Clone, Debug, PartialEq)]
pub struct NetSpec {
    /// Channels of the image.
    pub channels: usize,
    /// Planes beside the image's channels that tell the time; 0 for a net whose score is of the image alone.
    pub clock: usize,
    /// Side of the square image.
    pub side: usize,
    /// The convolutions, bottom-up.
    pub layers: Vec<ConvSpec>,
    /// Zero padding of every convolution.
    pub padding: Padding,
    /// Normalisation after every convolution.
    pub norm: Norm,
    /// Activation after every normalisation.
    pub activation: Activation,
    /// What it multiplies; no part of the architecture, so nets of either precision share parameters.
    pub precision: Precision,
}

/// One convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
}

/// Zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// `kernel / 2` on every side: maps of side ceil(s / stride).
    Same,
    /// TensorFlow's SAME: the same map sizes, with the odd pixel after rather than before.
    SameTensorflow,
    /// So many pixels on every side; 2 gives the maps of table 3.
    Pixels(usize),
}

/// Normalisation of a layer's maps, each channel then scaled and shifted by learned numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// None, and no scale and shift.
    None,
    /// Mean and variance of the batch at hand, while learning and while sampling; gradients go through them.
    /// This is the paper's setting. It couples the chains of a batch: fix the batch size.
    Batch,
    /// Mean and variance of the observed batch, also for the synthesized one; constants to the gradient.
    Observed,
    /// Mean and variance fixed once and for all; constants to the gradient.
    Frozen,
    /// Mean and variance of each image over groups of channels.
    Group {
        /// Number of groups; reduced to the greatest divisor of a layer's channels that is not above it.
        groups: usize,
    },
}

/// Activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, slope x).
    LeakyRelu {
        /// Slope below zero, in [0, 1).
        slope: f64,
    },
    /// max(x, 0).
    Relu,
    /// x / (1 + exp(-x)).
    Silu,
}

/// Added to every variance (the authors' releases).
const EPS: f64 = 1e-5;

impl NetSpec {
    /// The paper's net for a grid of this side (section 6.1): that of the 4x4 grid up to side 8, that of the
    /// 16x16 grid up to side 32, and that of the 64x64 grid above. Symmetric padding, batch statistics, leaky
    /// ReLU of slope 0.2.
    pub fn paper(side: usize) -> Self {
        let layers: &[(usize, usize, usize)] = match side {
            0..=8 => &[(96, 5, 2), (128, 3, 1), (256, 3, 1)],
            9..=32 => &[(96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)],
            _ => &[(96, 5, 2), (128, 3, 2), (256, 3, 1)],
        };
        Self::of(side, layers)
    }

    /// The discriminator of Radford et al. that the paper adopts for features of the 64x64 grid (section 6.3).
    pub fn dcgan(side: usize) -> Self {
        Self::of(side, &[(64, 5, 2), (128, 5, 2), (256, 5, 2), (512, 5, 2)])
    }

    fn of(side: usize, layers: &[(usize, usize, usize)]) -> Self {
        let conv = |&(channels, kernel, stride)| ConvSpec { channels, kernel, stride };
        NetSpec {
            channels: 3,
            clock: 0,
            side,
            layers: layers.iter().map(conv).collect(),
            padding: Padding::Same,
            norm: Norm::Batch,
            activation: Activation::LeakyRelu { slope: 0.2 },
            precision: Precision::Full,
        }
    }

    /// The same net with all channel numbers multiplied by `width` and rounded to a multiple of 8 (at least 8).
    pub fn scaled(mut self, width: f64) -> Self {
        if width != 1.0 {
            for layer in &mut self.layers {
                layer.channels = ((layer.channels as f64 * width / 8.0).round() as usize).max(1) * 8;
            }
        }
        self
    }

    /// The geometry of every layer and of the maps between them.
    ///
    /// # Errors
    /// When there is no layer, a number is zero, or a layer does not fit the map it meets.
    pub fn shape(&self) -> Result<ScoreShape> {
        if self.layers.is_empty() || self.channels == 0 || self.side == 0 {
            let Self { channels, side, .. } = self;
            return Err(Error::Spec(format!(
                "a net of {} layers on {channels} channels of side {side}: each must be at least 1",
                self.layers.len()
            )));
        }
        let channels = self.channels + self.clock;
        let (mut c_in, mut side) = (channels, self.side);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let conv = self.geometry(i + 1, *layer, c_in, side)?;
            layers.push(LayerShape {
                conv,
                norm: self.norm.kernel(layer.channels),
                activation: self.activation.kernel(),
            });
            side = conv.out_side(side)?;
            c_in = layer.channels;
        }
        Ok(ScoreShape { channels, side: self.side, layers })
    }

    /// Side of the maps of every layer, bottom-up.
    pub fn map_sides(&self) -> Result<Vec<usize>> {
        let mut side = self.side;
        let shape = self.shape()?;
        shape
            .layers
            .iter()
            .map(|layer| {
                side = layer.conv.out_side(side)?;
                Ok(side)
            })
            .collect()
    }

    /// Numbers of the largest maps of one image, its own pixels among them.
    ///
    /// # Errors
    /// When there is no such net.
    pub fn largest_map(&self) -> Result<usize> {
        let channels = once(self.channels + self.clock).chain(self.layers.iter().map(|layer| layer.channels));
        let sides = once(self.side).chain(self.map_sides()?);
        let sizes =
            channels.zip(sides).map(|(channels, side)| channels.saturating_mul(side).saturating_mul(side));
        Ok(sizes.max().unwrap_or(0))
    }

    fn geometry(&self, number: usize, layer: ConvSpec, c_in: usize, side: usize) -> Result<ConvGeometry> {
        let ConvSpec { channels, kernel, stride } = layer;
        if channels == 0 || kernel == 0 || stride == 0 {
            return Err(Error::Spec(format!(
                "layer {number}: channels {channels}, kernel {kernel}, stride {stride}: each must be at least 1"
            )));
        }
        let (pad_before, pad_after) = match self.padding {
            Padding::Same => (kernel / 2, kernel / 2),
            Padding::Pixels(pixels) => (pixels, pixels),
            Padding::SameTensorflow => {
                let total = ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
                (total / 2, total - total / 2)
            }
        };
        if side + pad_before + pad_after < kernel {
            return Err(Error::LayerDoesNotFit { layer: number, kernel, stride, side });
        }
        Ok(ConvGeometry { c_in, c_out: channels, kernel, stride, pad_before, pad_after })
    }
}

impl Norm {
    /// True when the maps of a layer are scaled and shifted by learned numbers.
    pub fn is_affine(self) -> bool {
        self != Norm::None
    }

    /// True when the net must be given statistics before it can be evaluated.
    pub fn needs_statistics(self) -> bool {
        matches!(self, Norm::Observed | Norm::Frozen)
    }

    /// The name that configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Norm::None => "none",
            Norm::Batch => "batch",
            Norm::Observed => "observed",
            Norm::Frozen => "frozen",
            Norm::Group { .. } => "group",
        }
    }

    fn kernel(self, channels: usize) -> mg_kernels::Norm {
        match self {
            Norm::None => mg_kernels::Norm::None,
            Norm::Batch => mg_kernels::Norm::Batch { eps: EPS },
            Norm::Observed | Norm::Frozen => mg_kernels::Norm::Fixed { eps: EPS },
            Norm::Group { groups } => {
                let divides = |g: &usize| channels.is_multiple_of(*g);
                let groups = (1..=groups.clamp(1, channels)).rev().find(divides).unwrap_or(1);
                mg_kernels::Norm::Group { groups, eps: EPS }
            }
        }
    }
}

impl Activation {
    fn kernel(self) -> mg_kernels::Activation {
        match self {
            Activation::LeakyRelu { slope } => mg_kernels::Activation::LeakyRelu { slope },
            Activation::Relu => mg_kernels::Activation::LeakyRelu { slope: 0.0 },
            Activation::Silu => mg_kernels::Activation::Silu,
        }
    }
}
