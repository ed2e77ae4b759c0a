//! The words of configurations for what a [`NetSpec`](crate::NetSpec) and an [`EnergyNet`](crate::EnergyNet) are made of.
//! The numbers that go with a word have keys of their own, so a kind gets them when it becomes what it names.

use std::str::FromStr;

use candle_core::Device;

use crate::{Activation, Error, Norm, Padding, Precision, Reference};

/// Zero padding of convolutions: `same`, `same-tensorflow` or `two`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum PaddingKind {
    /// `kernel / 2` on every side.
    Same,
    /// TensorFlow's SAME, where the odd pixel comes after.
    SameTensorflow,
    /// 2 pixels on every side (the map sizes of table 3).
    Two,
}

impl PaddingKind {
    /// The padding that it names.
    pub fn padding(self) -> Padding {
        match self {
            PaddingKind::Same => Padding::Same,
            PaddingKind::SameTensorflow => Padding::SameTensorflow,
            PaddingKind::Two => Padding::Pixels(2),
        }
    }
}

/// Normalisation: `none`, `batch`, `observed`, `frozen` or `group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum NormKind {
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

impl NormKind {
    /// The normalisation that it names, with so many groups where there are any.
    pub fn with_groups(self, groups: usize) -> Norm {
        match self {
            NormKind::None => Norm::None,
            NormKind::Batch => Norm::Batch,
            NormKind::Observed => Norm::Observed,
            NormKind::Frozen => Norm::Frozen,
            NormKind::Group => Norm::Group { groups },
        }
    }
}

/// Activation: `leaky-relu`, `relu` or `silu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum ActivationKind {
    /// max(x, slope x).
    LeakyRelu,
    /// max(x, 0).
    Relu,
    /// x sigmoid(x).
    Silu,
}

impl ActivationKind {
    /// The activation that it names, with this slope below zero where it has one.
    pub fn with_slope(self, slope: f64) -> Activation {
        match self {
            ActivationKind::LeakyRelu => Activation::LeakyRelu { slope },
            ActivationKind::Relu => Activation::Relu,
            ActivationKind::Silu => Activation::Silu,
        }
    }
}

/// The reference distribution p0: `uniform` or `gaussian`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum ReferenceKind {
    /// Uniform on the range that the sampler keeps to.
    Uniform,
    /// White noise.
    Gaussian,
}

impl ReferenceKind {
    /// The distribution that it names, with this standard deviation of a pixel where it has one.
    pub fn with_sigma(self, sigma: f64) -> Reference {
        match self {
            ReferenceKind::Uniform => Reference::Uniform,
            ReferenceKind::Gaussian => Reference::Gaussian { sigma },
        }
    }
}

/// What nets multiply: `auto`, `f32` or `bf16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum PrecisionKind {
    /// bf16 on CPUs that multiply it faster than f32, else f32.
    Auto,
    /// f32.
    F32,
    /// Operands in bf16, sums in f32.
    Bf16,
}

impl PrecisionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::F32, Self::Bf16];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            PrecisionKind::Auto => "auto",
            PrecisionKind::F32 => "f32",
            PrecisionKind::Bf16 => "bf16",
        }
    }

    /// The precision that it names on a device.
    pub fn on(self, device: &Device) -> Precision {
        match self {
            PrecisionKind::Auto => Precision::fastest(device),
            PrecisionKind::F32 => Precision::Full,
            PrecisionKind::Bf16 => Precision::Bf16,
        }
    }
}

impl From<Precision> for PrecisionKind {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Full => PrecisionKind::F32,
            Precision::Bf16 => PrecisionKind::Bf16,
        }
    }
}

impl FromStr for PrecisionKind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| Error::Spec(format!("precision {word:?}: it must be auto, f32 or bf16")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_take_the_numbers_that_they_need() {
        assert_eq!(PaddingKind::Two.padding(), Padding::Pixels(2));
        assert_eq!(NormKind::Group.with_groups(8), Norm::Group { groups: 8 });
        assert_eq!(NormKind::Batch.with_groups(8), Norm::Batch);
        assert_eq!(ActivationKind::LeakyRelu.with_slope(0.1), Activation::LeakyRelu { slope: 0.1 });
        assert_eq!(ActivationKind::Silu.with_slope(0.1), Activation::Silu);
        assert_eq!(ReferenceKind::Gaussian.with_sigma(0.4), Reference::Gaussian { sigma: 0.4 });
        assert_eq!(ReferenceKind::Uniform.with_sigma(0.4), Reference::Uniform);
    }

    #[test]
    fn words_of_precisions_are_read_as_they_are_written() {
        for kind in PrecisionKind::ALL {
            assert_eq!(kind.name().parse::<PrecisionKind>().ok(), Some(kind));
        }
        let refused = "f16".parse::<PrecisionKind>().map_err(|error| error.to_string());
        assert!(refused.is_err_and(|message| message.contains("\"f16\"") && message.contains("bf16")));
        assert_eq!(PrecisionKind::from(Precision::Bf16).on(&Device::Cpu), Precision::Bf16);
    }
}
