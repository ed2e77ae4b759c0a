//! Learned models as bytes in and bytes out.
//!
//! A model file says in its header of which kind it is; [`open`] finds the kind and gives a [`Model`], whatever it is. What
//! a model can do is asked for, never guessed: [`Model::generate`] draws images, [`Model::recover`] fills in hidden pixels,
//! [`Model::features`] turns images into features, [`Model::energies`] scores them, [`Model::classify`] says what they
//! show.
//!
//! ```no_run
//! use candle_core::Device;
//! use mg_langevin::unobserved;
//! use mg_model::{KINDS, Synthesis, generate, open};
//! use mg_random::Key;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("runs/portraits-001/model.safetensors")?;
//! let model = open(KINDS, &bytes, &Device::Cpu)?;
//! let how = Synthesis::default();
//! let grids = generate(&*model, 16, &how, Key::new(1), &Device::Cpu, &mut unobserved, &mut |_| {})?;
//! assert_eq!(grids.last().map(|finest| finest.dims().to_vec()), Some(vec![16, 3, 64, 64]));
//! # Ok(())
//! # }
//! ```
//!
//! This crate touches no file, no data set and no network, and assumes no threads: it compiles for browsers. Images come
//! from whoever implements [`Images`].
//!
//! Reading order: [`Artefact`] and its [`Header`], the bytes; [`Model`] and its capabilities; [`multigrid`], the kind that
//! the paper is about; [`Scorer`], [`Density`] and [`FeatureNets`], which ask the nets of any model that has some;
//! [`keys`], configuration keys with meaning, default and range.

mod artefact;
mod energies;
mod error;
mod images;
pub mod keys;
mod kind;
mod model;
mod tensor_file;

pub mod multigrid;

mod density;
mod feature_nets;
mod max_pool;
mod scorer;

pub use artefact::{Artefact, DataId, Header};
pub use density::{Annealing, Density, Mixing, NormalizerEstimate};
pub use energies::{Energies, GridNet, ScoreNets};
pub use error::{Error, Result};
pub use feature_nets::{FEATURE_SIDE, FeatureNet, FeatureNets, pixel_features};
pub use images::Images;
pub use kind::{Kind, open};
pub use mg_energy::below;
pub use model::{Classify, Features, Generate, Model, Recover, Synthesis, generate};
pub use scorer::{GridEnergy, GridScores, Scorer};
pub use tensor_file::{decode, encode};

// What signatures of this crate need.
pub use {candle_core, mg_energy, mg_langevin, mg_pyramid, mg_random};

/// The kinds that this crate knows.
pub const KINDS: &[&Kind] = &[&multigrid::KIND];
