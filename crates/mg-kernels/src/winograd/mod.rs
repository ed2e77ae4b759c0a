//! 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs instead of
//! 144 (Winograd 1980; Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//!
//! The interpolation points are 0, +-3/4, +-3/2 and infinity instead of the usual 0, +-1, +-2: in f32 that halves the
//! rounding error, to about four times a direct convolution's.
//!
//! With stride 2 every second pixel is a map of its own, and a kernel of 4x4 or 5x5 is one of two or three rows and columns on
//! each of these: F(4x4, 2x2), F(4x4, 3x3) and their mixtures, and F(2x2, ...) on small maps, take fewer of the same points.

pub(crate) mod exact_kernel;
pub(crate) mod filter;
pub(crate) mod fixed;
pub(crate) mod fixed_weights;
pub(crate) mod kernel;
mod lines;
mod quantize;
pub(crate) mod room;
pub(crate) mod transform;
#[cfg(target_arch = "x86_64")]
pub(crate) mod vnni;
