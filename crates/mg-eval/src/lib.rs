//! Numbers, sheets and curves from images.
//!
//! Everything here is a function of images: it never sees a model, so that every method, ours or a baseline's,
//! is scored and shown by the same code.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_eval::{SampleStatistics, Sheet, recovery_error};
//!
//! let original = Tensor::zeros((4, 3, 8, 8), DType::F32, &Device::Cpu)?; // grey, in [-1, 1]
//! let recovered = (&original + 0.2)?;
//! let observed = Tensor::zeros((4, 1, 8, 8), DType::F32, &Device::Cpu)?; // nothing was given
//!
//! let error = recovery_error(&recovered, &original, &observed)?;
//! assert!((error.mae - 0.1).abs() < 1e-6); // in [0, 1]
//! assert!((error.psnr - 20.0).abs() < 1e-4);
//! assert!(SampleStatistics::of(&recovered)?.std_dev < 1e-6);
//!
//! let sheet = Sheet::beside(&[&original, &recovered])?.columns(2).scale(4);
//! assert_eq!(sheet.to_image()?.dimensions(), (142, 74));
//! # Ok::<(), mg_eval::Error>(())
//! ```
//!
//! Images are tensors [n, c, s, s] with values in [-1, 1]. Reading order:
//!
//! 1. [`Score`]: a number measured several times.
//! 2. [`recovery_error`]: absolute error and PSNR on hidden pixels (section 6.4 of the paper).
//! 3. [`SampleStatistics`]: mean, deviation and saturation, what a divergence guard watches.
//! 4. [`to_rgb_images`] and [`save_png`]: images for the eye, never stretched.
//! 5. [`Sheet`]: many images on one page.
//! 6. [`Curves`]: lines over iterations, as SVG.
//!
//! Files are written whole or not at all. Nothing here is random.

mod axis;
mod curves;
mod error;
mod picture;
mod pixels;
mod recovery;
mod score;
mod sheet;
mod statistics;
mod write;

pub use curves::Curves;
pub use error::{Error, Result};
pub use picture::{save_png, to_rgb_images};
pub use recovery::{RecoveryError, recovery_error};
pub use score::Score;
pub use sheet::{MAX_SHEET_SIDE, Sheet};
pub use statistics::{SATURATION, SampleStatistics};
