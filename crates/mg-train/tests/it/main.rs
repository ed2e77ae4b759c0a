//! Claims about learning, models and what they are worth, on tiny nets.

mod measures;
mod models;
mod runs;
mod support;
