//! The `mg` binary as a stranger meets it: one process per claim.

mod bad_input;
mod everyday;
mod kill;
mod support;
