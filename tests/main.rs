//! The `mg` binary as a stranger meets it: one process per claim.

mod bad_input;
mod evaluate;
mod everyday;
mod kill;
mod measuring;
mod probe;
mod support;
