//! Pictures of images and numbers, as PNG or SVG.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_figures::{Curves, Panels, Sheet};
//!
//! let original = Tensor::zeros((4, 3, 8, 8), DType::F32, &Device::Cpu)?; // grey, in [-1, 1]
//! let recovered = (&original + 0.2)?;
//! let sheet = Sheet::beside(&[&original, &recovered])?.columns(2).scale(4);
//! assert_eq!(sheet.to_image()?.dimensions(), (142, 74));
//!
//! let cost = |title| Curves::new(title, "batch", "seconds").log_x().line("ours", [(1.0, 0.1), (10.0, 0.5)]);
//! let svg = Panels::of([cost("f32"), cost("bf16")]).to_svg()?;
//! assert!(svg.contains("f32") && svg.contains("bf16"));
//! # Ok::<(), mg_figures::Error>(())
//! ```
//!
//! Everything here takes tensors, points or counts: it knows neither models nor scores, so that whatever is measured, by
//! whichever method, is shown by the same code. Images are tensors [n, c, s, s] with values in [-1, 1].
//!
//! Reading order:
//!
//! 1. [`to_rgb_images`] and [`save_png`]: images for the eye, never stretched.
//! 2. [`Sheet`]: many images on one page.
//! 3. [`Curves`]: lines over iterations, or over whatever else, with their legend and axes.
//! 4. [`histogram`]: outlines of several sets counted in the same bins.
//! 5. [`Panels`]: plots beside each other.
//!
//! A plot is drawn once, by the same code, for both media: `drawing` holds what depends on the medium, `figure` turns what
//! can be drawn into an SVG document, an image or a file.
//!
//! Files are written whole or not at all: a reader sees the old file or the new one, never a part.

mod axis;
mod curves;
mod drawing;
mod error;
mod figure;
mod histogram;
mod legend;
mod panels;
mod picture;
mod sheet;
mod thinned;
mod write;

pub use curves::Curves;
pub use error::{Error, Result};
pub use histogram::histogram;
pub use panels::Panels;
pub use picture::{save_png, to_rgb_images};
pub use sheet::{MAX_SHEET_SIDE, Sheet};

// What signatures of this crate need.
pub use {candle_core, image};
