//! The `mg` binary as a stranger meets it: one process per claim.

mod bad_input;
mod baselines;
mod bits;
mod evaluate;
mod everyday;
mod fetch;
mod few_labels;
mod kill;
mod measuring;
mod probe;
mod promises;
mod publish;
mod support;

#[path = "../crates/mg-hub/tests/it/server.rs"]
mod server;
