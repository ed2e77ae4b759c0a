//! Pretrained networks that turn images into the features that scores are computed from.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_backbone::Backbone;
//!
//! let backbone = Backbone::lite0(&Device::Cpu)?; // its weights are part of this crate
//! let images = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?; // any side, values in [-1, 1]
//! let features = backbone.features(&images)?;
//! assert_eq!(features.dims(), [2, 1280]);
//! assert_eq!(backbone.logits(&features)?.dims(), [2, 1000]);
//! # Ok::<(), mg_backbone::Error>(())
//! ```
//!
//! A [`Backbone`] takes images [n, 3, s, s] of any side and returns features and logits; what scores make of them is
//! another crate's matter. [`FeatureFile`] keeps features on the disk, so that none is computed twice. There are two
//! networks:
//!
//! - **EfficientNet-Lite0** ([`Backbone::lite0`]), whose weights are part of this crate (Apache-2.0, see
//!   `weights/README.md`), so that scores work offline. They are rounded to f16.
//! - **Inception-2015** ([`Backbone::inception`]), the graph that the inception score and the Fréchet inception distance
//!   are defined by. Its weights are read from the published file ([`Weights::read`]), whose SHA-256 is checked.
//!
//! Numbers made with different networks, or with one network and different [`Convention`]s, must not be compared:
//! [`Backbone::name`] belongs beside every number.
//!
//! Both run through [`mg_kernels::Inference`]: batch norms are folded into the convolutions, images run side by side, and
//! an image's features have the same bits in any batch and on any number of threads.
//!
//! Modules, in reading order: `backbone`; `inception` and `lite0`, the two networks; `layers` and `weights`, what they are
//! made of; `resize`; `feature_file`, where features are kept; `logits`.

mod backbone;
mod error;
mod feature_file;
mod inception;
mod layers;
mod lite0;
mod logits;
mod resize;
mod weights;

pub use backbone::{Backbone, INCEPTION_SHA256};
pub use error::{Error, Result};
pub use feature_file::{FeatureFile, Images};
pub use logits::Logits;
pub use resize::Convention;
pub use weights::Weights;

// What signatures of this crate need.
pub use {candle_core, mg_eval};
