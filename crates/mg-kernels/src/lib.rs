//! Convolutions, their adjoints and score networks.

mod aligned;
mod conv;
mod cpu_conv;
mod engine;
mod error;
mod geometry;
mod kernels;
mod map;
mod packed;
mod pointwise;
mod score_net;
mod shape;
mod simd;
mod tensor_conv;
mod tensor_route;
#[cfg(test)]
mod throughput;
mod tile;
mod weights;

pub use conv::{conv2d, conv2d_input_adjoint, conv2d_weight_adjoint};
pub use error::{Error, Result};
pub use geometry::ConvGeometry;
pub use score_net::{Route, ScoreNet};
pub use shape::{Activation, LayerShape, Norm, ScoreShape};
pub use weights::{LayerWeights, ScoreWeights};
