//! The systems that the multi-grid paper compares with, each in a file that reads like its paper.
//!
//! A file holds a method's configuration, its [`Learner`](mg_train::Learner), whose `step` is the algorithm, and its
//! [`METHOD`](dcgan::METHOD), which a program registers. What they share: `nets`, the generator and the discriminator of
//! Radford et al.; `net`, a net that learns; `game`, two of them; `recipe`, what their
//! configurations share; `optimizer`; [`generator`], the models they leave.
//!
//! ```no_run
//! use mg_baselines::METHODS;
//! use mg_train::config::{Layer, resolve};
//!
//! # fn main() -> mg_train::Result<()> {
//! let config = resolve(METHODS, &[Layer::preset(METHODS, "dcgan")?])?;
//! assert_eq!(config.learn.batch, 128);
//! # Ok(())
//! # }
//! ```

pub mod adversarial_cd;
pub mod context_encoder;
pub mod cooperative;
pub mod dcgan;
pub mod deep_directed;
pub mod descriptor;
mod descriptor_keys;
pub mod encoder;
mod fixed_net;
mod game;
pub mod generator;
#[cfg(test)]
mod golden;
mod losses;
mod net;
mod nets;
mod optimizer;
mod recipe;
pub mod wgan;

use mg_train::Methods;

/// All methods of the paper: multi-grid learning, and those that it is compared with.
pub const METHODS: Methods = &[
    &mg_train::multigrid::METHOD,
    &dcgan::METHOD,
    &wgan::METHOD,
    &deep_directed::METHOD,
    &adversarial_cd::METHOD,
    &cooperative::METHOD,
    &context_encoder::METHOD,
];
