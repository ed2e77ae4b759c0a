//! Convolutions, their adjoints and score networks.

mod conv;
mod error;
mod geometry;
mod score_net;
mod shape;
mod tensor_conv;
mod tensor_route;
mod engine;
mod packed;
mod cpu_conv;
mod map;
mod pointwise;
mod tile;
mod kernels;
mod aligned;
mod simd;
mod weights;

pub use conv::{conv2d, conv2d_input_adjoint, conv2d_weight_adjoint};
pub use error::{Error, Result};
pub use geometry::ConvGeometry;
pub use score_net::{Route, ScoreNet};
pub use shape::{Activation, LayerShape, Norm, ScoreShape};
pub use weights::{LayerWeights, ScoreWeights};
