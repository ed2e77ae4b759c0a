//! Classifiers on what energy-based ConvNets have learned: table 3 of Gao et al., CVPR 2018.
//!
//! A [`Probe`] is the multi-grid model's nets up to their top maps, a 3x3 convolution with 64 channels on each map, and
//! one fully connected layer on all of it (section 6.3). The nets stay as the model has learned them, learn on, or start
//! from random numbers, which is the supervised baseline "with the same structure":
//!
//! ```no_run
//! use candle_core::Device;
//! use mg_data::{DataSet, ImageSource, Labelled, Spec, Split};
//! use mg_model::{KINDS, open};
//! use mg_probe::{ProbeConfig, Study, TrunkStart};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = open(KINDS, &std::fs::read("runs/digits/model.safetensors")?, &Device::Cpu)?;
//! let set = |split| DataSet::open(&Spec { split: Some(split), ..Spec::new(ImageSource::find("digits")?) });
//! let train = Labelled::of(&set(Split::Train)?)?;
//! let test = Labelled::among(&set(Split::Test)?, train.classes())?;
//!
//! let (labels, seeds) = (vec![1000, 2000, 4000], vec![1, 2, 3]);
//! let study = Study { start: TrunkStart::Frozen(&*model), config: ProbeConfig::default(), labels, seeds };
//! for row in &study.run(&train, &test, &mut |_| {})?.rows {
//!     assert!(row.mean <= 100.0); // test error in percent, mean over the seeds
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Labelled images are drawn by key, equally many of every class; others are held out to choose the epoch by. Every result
//! is a function of the images, the start and the seed, to the same bits on any number of threads of a CPU.
//!
//! Gradients are written out, on mg-kernels' convolutions, norms and activations with their adjoints; learning multiplies
//! in the precision of the parameters (f32), while maps for evaluation, and those of a frozen trunk, are computed in the
//! precision of the model.
//!
//! Reading order: [`Labelled`](mg_data::Labelled); [`Probe`], which is `trunk` (of `layer`s) below `head`, and `loss`;
//! `maps`; [`fit`], with [`ProbeConfig`]; [`Study`].

mod config;
mod error;
mod fit;
mod head;
mod layer;
mod loss;
mod maps;
mod probe;
mod study;
#[cfg(test)]
mod tests;
mod trunk;

pub use config::ProbeConfig;
pub use error::{Error, Result};
pub use fit::{Epoch, Fitted, Learns, fit};
pub use probe::Probe;
pub use study::{Findings, Learned, Outcome, Progress, Row, SetId, Study, TrunkStart};
