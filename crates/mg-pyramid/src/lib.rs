//! Images on nested grids, their hidden pixels, and the 1x1 images where chains begin.
//!
//! The multi-grid method (Gao, Lu, Zhou, Zhu, Wu, "Learning Generative ConvNets via Multi-grid Modeling and
//! Sampling", CVPR 2018, section 5) looks at every image on a ladder of grids: the image itself, smaller
//! versions whose pixels are means of blocks, down to a single pixel. Sampling climbs that ladder. It begins at
//! a 1x1 image and hands each grid's sample, scaled up, to the next finer grid:
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use mg_pyramid::{Grids, InitialDistribution, InitialForm, Key, Mask, Pyramid, down, up};
//!
//! let grids = Grids::paper(); // 1 -> 4 -> 16 -> 64
//! let observed = Tensor::arange(0f32, 24_576., &Device::Cpu)?.affine(2.0 / 24_575.0, -1.0)?.reshape((2, 3, 64, 64))?;
//! let pyramid = Pyramid::of(&observed, &grids)?;
//! assert_eq!(pyramid.at(16)?.dims(), [2, 3, 16, 16]);
//!
//! let p0 = InitialDistribution::learn(InitialForm::Triples, pyramid.minimal(), Key::new(0))?;
//! let mut y = p0.sample(5, Key::new(1), &Device::Cpu)?; // [5, 3, 1, 1]
//! for (coarse, fine) in grids.pairs() {
//!     let start = up(&y, fine)?; // a sampler would run its chains from here
//!     assert_eq!(down(&start, coarse)?.dims(), y.dims());
//!     y = start;
//! }
//! assert_eq!(y.dims(), [5, 3, 64, 64]);
//!
//! let hidden = Mask::random_square(64, 32, Key::new(2))?; // section 6.4
//! assert_eq!(hidden.hidden_fraction(), 0.25);
//! assert_eq!(hidden.apply(&observed, 1.0)?.dims(), [2, 3, 64, 64]);
//! # Ok::<(), mg_pyramid::Error>(())
//! ```
//!
//! Images are tensors [n, c, s, s] of floating-point values in [-1, 1], on any device. Reading order:
//!
//! 1. [`Grids`]: the ladder of sides.
//! 2. [`down`] and [`up`]: block mean and block replication; at ratios that are not whole, averaging by area
//!    and its pseudo-inverse; [`Upscale`]: blocks or the smoothest image.
//! 3. [`Pyramid`]: a batch on every grid.
//! 4. [`Mask`]: hidden pixels, drawn or read from a file, and what they hide on coarser grids.
//! 5. [`InitialDistribution`]: p(0), learned from 1x1 images by an [`InitialLearner`], stored and sampled.
//! 6. [`ConditionalGaussian`]: the normal law of a grid's images given a coarser one, learned by a [`GaussianLearner`].
//!
//! The feature `serde` writes and reads [`InitialForm`] and [`UpscaleKind`] as the words of configurations.
//!
//! Nothing here knows of energies or samplers. Every random choice is named by a [`Key`].

mod area_average;
mod error;
mod gaussian;
mod grids;
mod initial;
mod limits;
mod mask;
mod pyramid;
mod scale;
mod upscale_kind;

pub use error::{Error, Result};
pub use gaussian::{ConditionalGaussian, Covariance, GaussianLearner, MAX_GAUSSIAN};
pub use grids::Grids;
pub use initial::{InitialDistribution, InitialForm, InitialLearner, MAX_TRIPLES};
pub use limits::MAX_SIDE;
pub use mask::Mask;
pub use mg_random::Key;
pub use pyramid::Pyramid;
pub use scale::{Upscale, down, up};
pub use upscale_kind::UpscaleKind;

// What signatures of this crate need.
pub use candle_core;
