//! Claims about the samplers, against closed forms.

mod annealing;
mod climbs;
mod closed_forms;
mod conditionals;
mod contracts;
mod draws;
mod golden;
mod support;
mod warming;
