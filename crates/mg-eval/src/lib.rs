//! Numbers from images and their features.
//!
//! Everything here is a function of images or of features of images: it never sees a model, so that every method, ours or a
//! baseline's, is scored by the same code. Pictures of the numbers are another crate's, mg-figures.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_eval::{SampleStatistics, recovery_error};
//!
//! let original = Tensor::zeros((4, 3, 8, 8), DType::F32, &Device::Cpu)?; // grey, in [-1, 1]
//! let recovered = (&original + 0.2)?;
//! let observed = Tensor::zeros((4, 1, 8, 8), DType::F32, &Device::Cpu)?; // nothing was given
//!
//! let error = recovery_error(&recovered, &original, &observed)?;
//! assert!((error.mae - 0.1).abs() < 1e-6); // in [0, 1]
//! assert!((error.psnr - 20.0).abs() < 1e-4);
//! assert!(SampleStatistics::of(&recovered)?.std_dev < 1e-6);
//! # Ok::<(), mg_eval::Error>(())
//! ```
//!
//! Scores of features take the outputs of a network, whichever it is, as a table [n, d]:
//!
//! ```
//! use mg_eval::{FeatureTable, Moments, frechet_distance, precision_recall};
//!
//! let table = |shift: f32| {
//!     let number = |i: i32| ((i * 37 % 101) as f32 / 101.0).powi(1 + i % 3) + shift;
//!     FeatureTable::new((0..300).map(number).collect(), 3) // 100 images of 3 features
//! };
//! let (real, samples) = (table(0.0)?, table(0.1)?);
//! let distance = frechet_distance(&Moments::of(&real)?, &Moments::of(&samples)?)?;
//! assert!((distance.distance() - 3.0 * 0.01).abs() < 1e-6); // three means that are 0.1 apart
//! assert_eq!(precision_recall(&real, &real, 3)?.recall, 1.0);
//! # Ok::<(), mg_eval::Error>(())
//! ```
//!
//! Images are tensors [n, c, s, s] with values in [-1, 1]. Reading order:
//!
//! 1. [`Score`]: a number measured several times.
//! 2. [`recovery_error`]: absolute error, PSNR and SSIM of recovered images (section 6.4 of the paper);
//!    [`structural_similarity`] alone.
//! 3. [`SampleStatistics`]: mean, deviation and saturation, what a divergence guard watches.
//! 4. [`Features`]: a table of features, in memory or larger; [`FeatureTable`] is one in memory.
//! 5. [`inception_score`], [`Moments`] and [`frechet_distance`] (FID), [`kernel_distance`] (KID),
//!    [`precision_recall`]: numbers for a set of samples, those of torch-fidelity on the same features;
//!    [`density_coverage`]: the same question as the last, less led by outliers.
//! 6. [`nearest`] and [`pairwise_distance`]: which image a sample is a copy of, and how varied samples are.
//! 7. [`Detection`], with [`auroc`] and its standard error: how well an energy tells outliers from inliers.
//!    [`Histogram`]: energies of several sets in the same bins.
//! 8. [`BitsPerDim`]: log densities as code lengths. [`Confusion`]: what a classifier takes for what.
//! 9. [`svm`]: linear support vector machines on features, and the protocol of table 2.
//!
//! A score of features means nothing without the network that made them. It is not part of the score, for the
//! functions never see it: whoever reports a number names the network beside it.
//!
//! Nothing here reads or writes a file. The only random choices are the subsets that [`kernel_distance`] draws and the
//! images that [`svm::RadfordProtocol`] draws, both named by keys.
//! Scores are the same bits on any number of threads.

mod balls;
mod bits;
mod blocks;
mod confusion;
mod density_coverage;
mod detection;
mod error;
mod features;
mod frechet;
mod histogram;
mod inception_score;
mod kernel_distance;
mod moments;
mod nearest;
mod pairs;
mod pairwise_distance;
mod pixels;
mod precision_recall;
mod recovery;
mod score;
mod ssim;
mod statistics;
pub mod svm;

pub use bits::{BitsPerDim, bits_per_dim};
pub use confusion::Confusion;
pub use density_coverage::{DENSE_NEIGHBOUR, DensityCoverage, density_coverage};
pub use detection::{Detection, auroc, average_precision, false_positive_rate};
pub use error::{Error, Result};
pub use features::{FeatureTable, Features};
pub use frechet::{FrechetDistance, frechet_distance};
pub use histogram::Histogram;
pub use inception_score::inception_score;
pub use kernel_distance::{Subsets, kernel_distance, kernel_distance_of_all, kernel_distance_on};
pub use mg_random::Key;
pub use moments::Moments;
pub use nearest::{Neighbour, nearest};
pub use pairwise_distance::pairwise_distance;
pub use precision_recall::{NEIGHBOUR, PrecisionRecall, precision_recall};
pub use recovery::{RecoveryError, recovery_error};
pub use score::Score;
pub use ssim::{SsimWindow, structural_similarity};
pub use statistics::{SATURATION, SampleStatistics};

// What signatures of this crate need.
pub use candle_core;
