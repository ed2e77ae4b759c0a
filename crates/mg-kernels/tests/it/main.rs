//! Claims about convolutions and whole nets.

mod common;
mod convolution;
mod gpu;
mod inference;
mod normalised;
mod precision;
mod score_net;
mod tangents;
mod weight_sums;
