//! What can be chosen on the command line.

use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum What {
    /// Steps, sweep, update, whole iteration and memory of the paper's three nets; with --peer in turns with PyTorch
    Sweep,
    /// The same for a batch of one image: latency
    Single,
    /// Every convolution and its two adjoints: GFLOP/s on one thread, and their share of the measured peak
    Micro,
    /// Seconds against batch, grid side and number of steps, with a plot; some minutes
    Scaling,
    /// Draws of table 2: fits of all C and of one, 15,360 features, ten classes; with --peer in turns with scikit-learn
    Svm,
    /// An iteration of a compared system; with --peer in turns with PyTorch
    Baselines,
    /// Features of images by the networks that scores look through; with --peer in turns with PyTorch
    Backbone,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Network {
    Lite0,
    Inception,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Method {
    Dcgan,
    Wgan,
    ContextEncoder,
    DeepDirected,
    Cooperative,
}

impl Method {
    /// Images of an update, as its recipe has them.
    pub(super) fn batch(self) -> usize {
        match self {
            Method::Dcgan => 128,
            Method::Cooperative => 100,
            Method::Wgan | Method::ContextEncoder | Method::DeepDirected => 64,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Precision {
    F32,
    Bf16,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Device {
    Cpu,
    Cuda,
    Metal,
}

impl Device {
    /// Features that our side needs there.
    pub(super) fn features(self) -> &'static [&'static str] {
        match self {
            Device::Cpu => &[],
            Device::Cuda => &["--features", "cudnn"],
            Device::Metal => &["--features", "metal"],
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Norm {
    None,
    Batch,
}

/// A choice as it is written on the command line.
pub(super) fn name(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}
