//! Claims about learning, models and what they are worth, on tiny nets.

mod flows;
mod hostile;
mod measures;
mod methods;
mod models;
mod parts;
mod runs;
mod support;
