//! Samplers of energy-based models, and the climb from coarse to fine grids.
//!
//! A [`Kernel`] takes one step of many independent chains, one along the first dimension of a tensor, towards
//! exp(-U(x)); [`run`] repeats it and reports energies, gradient norms and acceptance:
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_energy::{Energy, toy::DoubleWell};
//! use mg_langevin::{Begin, Clamped, Kernel, Langevin, Level, Mala, climb, run, unobserved};
//! use mg_random::Key;
//!
//! # fn main() -> mg_langevin::Result<()> {
//! // 2,000 chains on two wells at -1 and 1, exactly.
//! let wells = DoubleWell { temperature: 0.5 };
//! let start = Tensor::zeros((2_000, 1), DType::F64, &Device::Cpu)?;
//! let mala = Mala { step_size: 0.15, temperature: 1.0 };
//! let sampled = run(&mala, &wells, &start, 40, Key::new(7), &mut unobserved)?;
//! let second_moment = sampled.x.sqr()?.mean_all()?.to_scalar::<f64>()?;
//! assert!((second_moment - 0.893).abs() < 0.1); // by quadrature: 0.8935
//! assert!(sampled.trace.mean_acceptance() > Some(0.8));
//!
//! // Images on the grids 4 and 16, coarse to fine, from a 1x1 image: equation (6) with delta = 0.1, clamped.
//! let kernel = Clamped { inner: Langevin::from_delta(0.1), min: -1.0, max: 1.0 };
//! let (kernels, energies): (&[&dyn Kernel], &[&dyn Energy]) = (&[&kernel], &[&wells]);
//! let level = |side| Level { side, energies, kernels, n_steps: 30, begin: Begin::default(), held: None };
//! let levels = [4, 16].map(level);
//! let minimal = Tensor::zeros((5, 3, 1, 1), DType::F32, &Device::Cpu)?; // [n, c, 1, 1]
//! let runs = climb(&levels, &minimal, Key::new(8), &mut unobserved)?;
//! assert_eq!(runs[1].x.dims(), [5, 3, 16, 16]);
//! assert_eq!(runs[1].trace.energy.len(), 30);
//! # Ok(())
//! # }
//! ```
//!
//! The equations are those of Gao, Lu, Zhou, Zhu, Wu, "Learning Generative ConvNets via Multi-grid Modeling
//! and Sampling", CVPR 2018. Reading order:
//!
//! 1. [`Chain`]: positions, and their gradient once it is known. [`Kernel`]: one step. [`StepInfo`]: its
//!    report.
//! 2. [`Langevin`], equation (6): biased by its step. [`Mala`] and [`Hmc`]: exact, by accepting or rejecting. [`Nuts`]:
//!    exact, with trajectories that end when they turn. [`Warmup`] fits the step size of an [`Adaptable`] kernel to its target
//!    by [`DualAveraging`], and the [`Scaled`] coordinates that it walks in.
//! 3. [`Clamped`], [`Observed`] and [`Reflected`] wrap a kernel; [`Within`] bounds an energy. Inpainting is
//!    `Observed`.
//! 4. [`run`] and its [`Trace`]; [`Level`], where its chains [`Begin`], and [`climb`]; [`recover`], the climb over hidden
//!    pixels.
//! 5. [`Ais`], annealed importance sampling along a [`GeometricPath`] from a [`Base`] up a [`Ladder`]: [`LogZ`], the
//!    normaliser of equation (1), with an interval. [`Pilot`] finds its step sizes.
//! 6. [`Sampling`]: warm-up, then [`Draws`] that are kept, and their [`Summary`]: a table with effective sample sizes and
//!    R-hat, which [`bulk_effective_sample_size`], [`rank_r_hat`] and their like tell of scalar chains.
//!
//! Decisions that hold throughout:
//!
//! - State in, state out. Kernels hold numbers, chains hold positions, nobody holds a generator: step t of a
//!   run draws from `key.fold(t)`, level i of a climb from `key.fold(i)`, and a chain's noise depends on its number
//!   ([`ChainKey`]). On the CPU the bits do not depend on the number of threads, nor on how a batch is cut into parts.
//! - Plain Langevin dynamics of l steps costs exactly l gradients.
//! - Reports stay on the device until a run ends, so that watching costs no waiting.
//! - Infinities and NaN are reported ([`Trace::first_non_finite`]), rejected where a kernel can reject, and
//!   never a panic. What to do about them is the learner's decision.

mod chain;
mod chain_key;
mod kernel;
mod step_info;

mod hmc;
mod langevin;
mod mala;
mod metropolis;
mod nuts;
mod phase;

mod clamped;
mod observed;
mod reflected;
mod scaled;
mod within;

mod adaptable;
mod dual_averaging;
mod moments;
mod warmup;

mod coarse_to_fine;
mod level;
mod recover;
mod run;
mod trace;
mod upscaling;

mod ais;
mod ais_ladder;
mod base;
mod exact;
mod geometric_path;
mod log_z;
mod pilot;

mod diagnosis;
mod draws;
mod sampling;
mod summary;

mod error;
mod rows;

pub use adaptable::Adaptable;
pub use ais::{Ais, Annealed};
pub use ais_ladder::Ladder;
pub use base::Base;
pub use chain::Chain;
pub use chain_key::ChainKey;
pub use clamped::Clamped;
pub use coarse_to_fine::climb;
pub use diagnosis::{
    bulk_effective_sample_size, effective_sample_size, rank_r_hat, split_r_hat, tail_effective_sample_size,
};
pub use draws::Draws;
pub use dual_averaging::DualAveraging;
pub use error::{Error, Result};
pub use exact::Exact;
pub use geometric_path::GeometricPath;
pub use hmc::Hmc;
pub use kernel::{Kernel, Unadjusted};
pub use langevin::Langevin;
pub use level::{Begin, Held, Level};
pub use log_z::LogZ;
pub use mala::Mala;
pub use nuts::Nuts;
pub use observed::Observed;
pub use pilot::Pilot;
pub use recover::{recover, recover_from};
pub use reflected::Reflected;
pub use run::{Progress, Run, StepObserver, run, unobserved};
pub use sampling::Sampling;
pub use scaled::Scaled;
pub use step_info::StepInfo;
pub use summary::{Coordinate, Diagnosis, Summary};
pub use trace::Trace;
pub use upscaling::Upscaling;
pub use warmup::{Warm, Warmup};
pub use within::Within;

// What signatures of this crate need.
pub use {candle_core, mg_energy, mg_pyramid, mg_random};
