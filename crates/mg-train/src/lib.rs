//! Learning energy-based generative ConvNets: the loop that knows no method, and what a long run needs.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use candle_core::Device;
//! use mg_train::config::{Layer, resolve};
//! use mg_train::{METHODS, Outcome, RunDir, Training};
//!
//! # fn main() -> mg_train::Result<()> {
//! let config = resolve(METHODS, &[Layer::assignment("learn.iterations=10")?])?;
//! let data = mg_train::open_data(&config, None)?;
//! let run_dir = RunDir::create(Path::new("runs/first"), &config)?;
//! let mut training = Training::start(run_dir, &config, &data, &Device::Cpu)?;
//! assert_eq!(training.run(&mut ())?, Outcome::Finished);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Method`] is registered in one line; it makes a [`Learner`], which learns from one [`Batch`] after another and says
//! what it saw in a [`Report`] of named values. [`Learning`] is that in memory: images, learner, model. [`Training`] puts a
//! run on disk around it: metrics, checkpoints, sheets, a [`Guard`] that rolls back what breaks a [`Limit`]. Learners that
//! share a batch meet in a [`Collective`]. Iteration t is a function of the state, the data, the seed and t, so a resumed
//! run is the uninterrupted one to the bit.
//!
//! [`multigrid`] is Algorithm 1 of Gao et al., CVPR 2018: `multigrid/algorithm.rs` reads as it does there.

mod batch;
mod batches;
mod checksum;
mod class;
mod classes;
mod collective;
pub mod config;
mod error;
mod guard;
mod images;
mod keeper;
mod learner;
mod learning;
mod limit;
mod method;
pub mod multigrid;
mod observer;
mod per_class;
mod preset;
mod report;
pub mod run;
mod same_run;
mod selection;
mod state;
mod training;

pub use batch::Batch;
pub use batches::Batches;
pub use class::Class;
pub use classes::classes;
pub use collective::{Alone, Collective, sum_in_order};
pub use config::Config;
pub use error::{Error, Result};
pub use guard::{Guard, Verdict};
pub use images::SetImages;
pub use learner::{At, Learner, Rehearsal};
pub use learning::{Learning, data_id};
pub use limit::{Bound, Limit};
pub use method::{Method, MethodConfig, Methods, kinds};
pub use observer::{Event, Observer};
pub use preset::Preset;
pub use report::Report;
pub use run::{Checkpoint, RunDir, RunRecord, Session};
pub use selection::{Selection, open_data};
pub use state::State;
pub use training::{Outcome, Training};

// What signatures of this crate need.
pub use {candle_core, mg_data, mg_energy, mg_langevin, mg_model, mg_pyramid, mg_random};

/// The methods of this crate.
pub const METHODS: Methods = &[&multigrid::METHOD];
