//! Claims about the samplers, against closed forms.

mod closed_forms;
mod conditionals;
mod contracts;
mod support;
mod sweeps;
