//! What most programs need: `use multigrid::prelude::*;`.

pub use candle_core::{self, DType, Device, Tensor};
pub use mg_energy::toy::{self, Banana, Funnel, Mixture, Points, Ring, TwoMoons};
pub use mg_energy::{Energy, Sum, Tempered, energy_fn};
pub use mg_langevin::{Draws, Hmc, Kernel, Langevin, Mala, Nuts, Sampling, Summary, Warmup};
pub use mg_random::Key;

pub use crate::{Draw, Images, Model, Scores};
