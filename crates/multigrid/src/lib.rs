//! Energy-based models in one dependency: draw from learned models, score images, sample energies of your own.
//!
//! ```no_run
//! use multigrid::prelude::*;
//!
//! # fn main() -> multigrid::Result<()> {
//! // Images of a learned model: a run, a model.safetensors, or hf:OWNER/NAME with the feature `hub`.
//! Model::load("runs/portraits-001")?.draw(8).seed(1).images()?.save("drawn")?;
//!
//! // How near they are to others: Fréchet and kernel distance, precision and recall, offline.
//! println!("{}", Scores::between_folders("drawn", "photographs")?);
//!
//! // A law of your own, sampled by NUTS: mean, deviation, effective sample sizes and R-hat, as a table.
//! let law = energy_fn(|x| x.sqr()?.sqr()?.flatten_from(1)?.sum(1)); // U(x) = sum of x^4
//! println!("{}", Sampling::default().run(&Nuts::default(), &law, 2, Key::new(1))?.summary()?);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is computed here: this crate names things and hands them on. Energies, samplers and their summaries are those of
//! [`mg_energy`] and [`mg_langevin`]; all crates are lent out below, so that a program needs no other dependency.
//!
//! Reading order: [`Model`] is what was learned, [`Draw`] how [`Images`] are drawn from it; [`Scores`] compare sets of
//! images; [`prelude`] is what most programs need.

mod draw;
mod error;
mod images;
mod learned;
#[cfg(feature = "hub")]
mod on_hub;
mod pictures;
pub mod prelude;
mod scores;

pub use draw::Draw;
pub use error::{Error, Result};
pub use images::Images;
pub use learned::Model;
pub use scores::Scores;

#[cfg(feature = "hub")]
pub use mg_hub;
pub use {
    candle_core, image, mg_backbone, mg_baselines, mg_data, mg_energy, mg_eval, mg_figures, mg_langevin,
    mg_model, mg_random, mg_train,
};
