//! Energy-based models: to be continued.

mod energy;
mod error;
pub mod toy;

pub use energy::{Energy, ValueAndGrad};
pub use error::{Error, Result};
