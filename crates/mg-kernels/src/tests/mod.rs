//! Tests of what is private, and a measurement.

mod agreement;
mod levels;
mod maps;
mod throughput;
