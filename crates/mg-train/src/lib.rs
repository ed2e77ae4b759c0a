//! Learning energy-based generative ConvNets: Algorithm 1 of Gao et al., CVPR 2018, and what a long run needs.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use candle_core::Device;
//! use mg_data::DataSet;
//! use mg_train::config::{Source, resolve};
//! use mg_train::{Outcome, RunDir, Training};
//!
//! # fn main() -> mg_train::Result<()> {
//! let config = resolve(&[Source::preset("default")?, Source::assignment("learn.iterations=10")?])?;
//! let data = mg_train::open_data(&config, None)?;
//! let run_dir = RunDir::create(Path::new("runs/first"), &config)?;
//! let mut training = Training::start(run_dir, &config, &data, &Device::Cpu)?;
//! assert_eq!(training.run(&mut ())?, Outcome::Finished);
//! # Ok(())
//! # }
//! ```
//!
//! [`Contrastive`] is the algorithm and fits a screen; multi-grid, single-grid, CD and persistent CD are its
//! [`Config`](config::Config), not code. [`Training`] is the loop around it: metrics, checkpoints, sheets, a
//! [`Guard`](guard::Guard) that rolls back what diverges. Iteration t is a function of the state, the data, the seed
//! and t, so a resumed run is the uninterrupted one to the bit.

mod batches;
mod chain_starts;
pub mod checkpoint;
mod classes;
pub mod config;
mod data;
mod density;
mod error;
mod feature_nets;
mod files;
mod gradient;
mod grid_model;
pub mod guard;
mod learner;
mod max_pool;
mod model;
mod observer;
mod optimizer;
mod persistent;
mod report;
mod run_dir;
mod sampler;
mod schedule;
mod scorer;
mod synthesis;
mod tensor_file;
mod training;

pub use chain_starts::ChainStarts;
pub use classes::Class;
pub use data::{data_spec, held_out, open_data, resize, to_learn};
pub use density::{Annealed, Annealing, Density, Mixing};
pub use error::{Error, Result};
pub use feature_nets::{FEATURE_SIDE, FeatureNets, pixel_features};
pub use grid_model::{GridModel, Scores};
pub use learner::{Contrastive, Learned};
pub use model::{DataId, Model, ModelClass, ModelGrid, ModelHeader};
pub use observer::{Event, Observer};
pub use optimizer::{Optimizer, moving_average};
pub use persistent::PersistentChains;
pub use report::{GridReport, Report};
pub use run_dir::RunDir;
pub use sampler::Sampler;
pub use schedule::rate_factor;
pub use scorer::{GridScores, Scorer};
pub use synthesis::Synthesis;
pub use training::{Outcome, Training};
