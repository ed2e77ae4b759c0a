//! Algorithm 1: multi-grid learning, and with other grids, starts and steps single-grid learning, contrastive divergence and
//! persistent contrastive divergence. Where the law of a grid is a flow, step 5 matches velocities in place of contrasting
//! images.

mod algorithm;
mod config;
mod gradient;
mod grid;
mod learner;
mod limits;
mod masks;
mod method;
mod persistent;
mod report;
mod schedule;
mod starts;

pub use config::{Decay, GradientTreatment, GuardKeys, LearnKeys, MultigridConfig, OptimizerKind};
pub use grid::{Evidence, Gradient, Grid};
pub use learner::MultigridLearner;
pub use method::METHOD;
pub use persistent::PersistentChains;
pub use schedule::rate_factor;
pub use starts::learn_starts;
