//! Tests of what is private, and a measurement.

mod agreement;
mod levels;
mod map_shapes;
mod maps;
mod small;
mod throughput;
