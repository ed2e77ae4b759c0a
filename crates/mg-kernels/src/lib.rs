//! Fast convolutions, their adjoints and fused score networks for [candle](candle_core).
//!
//! Sampling from an energy-based model asks one thing of a network, thousands of times: its score `f(x)` *and* the
//! score's gradient with respect to the **image**, while the weights stand still. Frameworks are built for the other
//! gradient. This crate does the first without ever touching the second:
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_kernels::{
//!     Activation, ConvGeometry, LayerShape, LayerWeights, Norm, ScoreNet, ScoreShape, ScoreWeights,
//! };
//!
//! // One 3x3 convolution from 3 to 8 channels with stride 2, leaky ReLU, and a fully connected head.
//! let conv = ConvGeometry { c_in: 3, c_out: 8, kernel: 3, stride: 2, pad_before: 1, pad_after: 1 };
//! let activation = Activation::LeakyRelu { slope: 0.2 };
//! let layers = vec![LayerShape { conv, norm: Norm::None, activation }];
//! let shape = ScoreShape { channels: 3, side: 16, layers };
//!
//! let device = Device::Cpu;
//! let weights = ScoreWeights {
//!     layers: vec![LayerWeights {
//!         weight: Tensor::full(0.1f32, (8, 3, 3, 3), &device)?,
//!         bias: Tensor::zeros(8, DType::F32, &device)?,
//!         affine: None,
//!         statistics: None,
//!     }],
//!     head: Tensor::full(0.01f32, 8 * 8 * 8, &device)?,
//!     head_bias: Tensor::zeros(1, DType::F32, &device)?,
//! };
//!
//! let net = ScoreNet::new(&shape, &weights)?; // packs the weights, once
//! let mut x = Tensor::zeros((10, 3, 16, 16), DType::F32, &device)?;
//! for _ in 0..30 {
//!     let (_, gradient) = net.score_and_grad(&x)?; // f [10], df/dx [10, 3, 16, 16]
//!     x = (x + gradient * 0.1)?.clamp(-1.0, 1.0)?;
//! }
//! assert!(net.score(&x)?.to_vec1::<f32>()?.iter().all(|f| *f > 0.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How the data flows on the CPU
//!
//! Images come and go as candle keeps them, `[n, c, y, x]`. Inside, maps are `[n, y, x, c]` with a halo of zeros, so
//! that a convolution reads channels in a row and knows no borders. A task takes a *block* of images through the
//! whole network and back before the next; all of it stays in one core's cache.
//!
//! ```text
//!   x [n,c,y,x]                                                              head
//!       |                                                                     |
//!       v          conv+bias+act         conv+bias+act                        v
//!    +------+      +-----------+         +-----------+                   +---------+
//!    | a[0] |----->|   a[1]    |-------->|   a[2]    |--------- ... ---->|  f [n]  |
//!    +------+      +-----------+         +-----------+                   +---------+
//!       :                : signs               : signs                        |
//!       :                v                     v                              | c_i * head
//!    +------+ adjoint +-----------+  adjoint  +-----------+                   |
//!    |  dx  |<--------|   dz[0]   |<----------|   dz[1]   |<-------- ... <----+
//!    +------+         +-----------+  * act'   +-----------+  * act'
//!       |                : (a[0], dz[0])       : (a[1], dz[1])
//!       v                v                     v
//!   dx [n,c,y,x]     weight gradients, when asked for, in 8 fixed lanes
//! ```
//!
//! - **One tile does all convolutions.** A tile holds sums for up to 14 pixels by 2 vectors of output channels in
//!   registers (6 by 2 with AVX2), reads each pixel through its own address, and finishes with bias and activation, or
//!   with the activation's derivative, before it stores. Pixels of a tile may lie on any row of any image, so 2x2 maps
//!   are as efficient as large ones.
//! - **Winograd.** 3x3 convolutions with stride 1 between enough channels (and their adjoints) take F(4x4, 3x3), whose
//!   products of matrices run in the same tiles: a quarter of the multiplications, in f32 a relative error of about
//!   1e-6 in place of 4e-7.
//! - **bf16** ([`Precision::Bf16`]): maps and packed weights lie in bf16, which halves what moves through the caches; sums,
//!   norms, coefficients and the head stay in f32. Tiles take two inputs a product, with the processor's instruction for
//!   it (twice the f32 rate) or by widening. Winograd's transformed values are too many bits for bf16: they are multiplied
//!   as 16-bit integers with scales of their own, summed exactly, at the same rate. Weight gradients pair pixels side by
//!   side in a row. The error is what rounding the operands of a direct convolution explains, layer by layer
//!   (`tests/it/precision.rs`).
//! - **Tile units** (AMX): pixels' values are copied into panels of 32 pixels that stay in the first cache while all output
//!   channels are computed; no Winograd then, for products cost next to nothing. The unit is used when the system grants it
//!   and a small product comes out right.
//! - **Adjoints are convolutions.** With stride `s`, each of the `s * s` phases of the input's gradient is a stride-1
//!   convolution of the output's gradient with its share of the kernel: nothing is multiplied by inserted zeros. For
//!   the images themselves, with few channels, all phases are channels of one convolution.
//! - **Tangents** ([`TangentNet`]): a direction of each image follows it through the network, both come back, and the gradient of
//!   a derivative along the direction costs twice an ordinary weight gradient.
//! - **Norms.** Constant statistics are folded into the weights. Group norms are per image. Batch statistics couple the
//!   images: then the network runs layer by layer over all blocks, and only what the backward pass needs is kept.
//! - **The same bits on any number of threads.** Where results are sums over images, blocks and lanes depend on the
//!   batch and the network alone, and the sums run in order; an image's own bits do not depend on its block. Work runs
//!   in the current rayon pool; where there are fewer blocks than threads, these share a block's output channels.
//! - **Instruction sets** (AMX, AVX-512 with and without bf16, AVX2 with FMA, portable) are chosen when a network is built.
//!
//! **Inference.** [`Inference`] runs a [`Graph`] of convolutions with rectangular windows, depthwise convolutions, poolings,
//! sums and concatenations by the same tiles: published classifiers, image by image. A concatenation's parts are written
//! where they belong, and maps of one layout share memory.
//!
//! **Maps to maps.** [`MapNet`] is a stack of convolutions that shrink or enlarge maps, with batch norms: a discriminator, a
//! generator, both in one. It runs layer by layer over the batch. A convolution with stride 2 is the sum of four with stride 1, of
//! every second row and column each, so that Winograd's transforms serve kernels of 4x4 to 6x6, with tiles of 4x4 outputs or,
//! on small maps, of 2x2; weight gradients are summed part by part, each over all images in order, by whichever thread is free.
//!
//! On CUDA and Metal, or in 16-bit floats, the same functions run by candle's tensor operations with back propagation
//! written out ([`Route::Tensor`]); there too, adjoints are forward convolutions, since candle's transposed one is
//! slow everywhere.
//!
//! # Modules
//!
//! | | |
//! |---|---|
//! | the contract | [`ConvGeometry`]; [`ScoreShape`], [`LayerShape`], [`Norm`], [`Activation`]; [`ScoreWeights`], [`LayerWeights`]; [`ScoreNet`], [`TangentNet`], [`Precision`], [`Route`]; [`Part`]; [`Error`] |
//! | a network from maps to maps that learns, one node of candle's graph | [`MapShape`], [`MapLayer`], [`Direction`], [`Parameter`]; [`MapPlan`], [`MapNet`], [`GradientSum`], [`Observed`] |
//! | any network that is only evaluated | [`Graph`], [`Window`], [`Clip`], [`Inference`] |
//! | single operations, differentiable by candle's autograd | [`conv2d`], [`conv2d_input_adjoint`], [`conv2d_weight_adjoint`] |
//! | a Gaussian reference's share, in one pass | [`add_scaled_and_norms`] |
//! | norms and activations by tensor operations, with their adjoints | [`Normalised`]; [`Activation::apply`], [`Activation::derivative`], [`Activation::apply_and_derive`]; [`per_channel`], [`channel_sum`], [`channel_mean`] |
//! | a network on its route (private) | `routed` |
//! | any device (private) | `tensor_route`, `tensor_conv` |
//! | a network on the CPU (private) | `engine`: `plan`, `fold`, `workspace`; `pass` forward and `backward` over a block, `moments` and `coefficients` of norms, `gradients` and `sums`; the drivers `independent`, `directions` and `coupled` |
//! | a network from maps to maps (private) | `stack`: `layer` (which form), `layout`, `weights`, `weight_sums`, `pool` (memory, with `memory`), `forward`, `backward`, `channelwise`; `map_operations` (any device) |
//! | a graph (private) | `inference`: `graph`, `plan` (places and steps), `tensor` (any device) |
//! | a convolution on the CPU (private) | `convolution` (which form), `packed` and `packing` (direct), `panel` (direct, by a tile unit), `winograd`, `weight_gradient`, `winograd_convolution`, `winograd_gradient`, with `winograd_weights`, `winograd_layout` and `winograd_cost`, `product` (of matrices), `cpu_conv`; `map` (layout), `taps` and `places` (addresses), `target` (results), `block` and `share` (one block, several threads) |
//! | which code runs (private) | `kernels` (a table of inner loops), `instruction_sets` (compiles one for each), `compiled` (chooses for a format and a level) |
//! | inner loops (private) | `tile`, `weight_tile`, `finish`, `curve` (activations), `pointwise`, `windows` (single channels), `winograd::{transform, kernel, quantize, fixed}`, `tile_unit`, `amx`, on the vectors of `simd` |
//! | numbers (private) | `element` (f32, f64), `format` (how they are computed with and stored), `aligned` |
//!
//! Each row uses rows below it.

mod activation;
mod aligned;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod block;
mod channels;
mod compiled;
mod conv;
mod convolution;
mod cpu_conv;
mod curve;
mod element;
mod elementwise;
mod engine;
mod error;
mod expect;
mod finish;
mod format;
mod geometry;
mod gradient_sum;
mod inference;
mod instruction_sets;
mod kernels;
mod map;
mod map_net;
mod map_operations;
mod map_plan;
mod map_shape;
mod memory;
mod norm;
mod normalised;
mod packed;
mod packing;
mod panel;
mod part;
mod places;
mod pointwise;
mod precision;
mod product;
mod route;
mod routed;
mod score_net;
mod shape;
mod share;
mod simd;
mod stack;
mod sum_list;
mod tangent_net;
mod taps;
mod target;
mod tensor_conv;
mod tensor_route;
#[cfg(test)]
mod tests;
mod tile;
mod tile_unit;
mod weight_gradient;
mod weight_tile;
mod weights;
mod windows;
mod winograd;
mod winograd_convolution;
mod winograd_cost;
mod winograd_gradient;
mod winograd_layout;
mod winograd_weights;

pub use activation::Activation;
pub use channels::{channel_mean, channel_sum, per_channel};
pub use conv::{conv2d, conv2d_input_adjoint, conv2d_weight_adjoint};
pub use elementwise::add_scaled_and_norms;
pub use engine::Observed;
pub use error::{Error, Result};
pub use geometry::{ConvGeometry, Window};
pub use gradient_sum::GradientSum;
pub use inference::{Clip, Graph, Inference, MapId};
pub use map_net::MapNet;
pub use map_plan::MapPlan;
pub use map_shape::{Direction, MapLayer, MapShape, Parameter};
pub use norm::Norm;
pub use normalised::Normalised;
pub use part::Part;
pub use precision::Precision;
pub use route::Route;
pub use score_net::ScoreNet;
pub use shape::{LayerShape, ScoreShape};
pub use tangent_net::TangentNet;
pub use weights::{LayerWeights, ScoreWeights};

// What signatures of this crate need.
pub use candle_core;
