//! Inner loops over windows of single channels, and over single values: depthwise convolutions, poolings and sums.

mod depthwise;
mod pool;
mod sum;
mod width;

pub(crate) use depthwise::{Depthwise, depthwise};
pub(crate) use pool::{Pool, Pooling, pool};
pub(crate) use sum::add;
