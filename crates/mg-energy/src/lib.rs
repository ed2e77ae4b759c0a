//! Energy-based generative ConvNets: p(x) ~ exp(f(x)) p0(x).
//!
//! A [`ConvNet`] is the score f, a bottom-up network described by a [`NetSpec`]. An [`EnergyNet`] adds a
//! [`Reference`] p0 and is the one place where the sign flips: its energy is U(x) = -log p0(x) - f(x), equation
//! (2) of Gao et al., CVPR 2018. Samplers see only the trait [`Energy`]: value and gradient.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mg_energy::{ConvNet, Energy, EnergyNet, NetSpec, Params, Reference};
//! use mg_random::Key;
//!
//! # fn main() -> mg_energy::Result<()> {
//! let spec = NetSpec::paper(16); // the paper's net of the 16x16 grid
//! let params = Params::init(&spec, Key::new(1), DType::F32, &Device::Cpu)?;
//! let energy = EnergyNet::new(ConvNet::new(&spec, &params)?, Reference::Gaussian { sigma: 0.4 });
//!
//! let x = Tensor::zeros((2, 3, 16, 16), DType::F32, &Device::Cpu)?; // [n, c, s, s], pixels in [-1, 1]
//! let at = energy.value_and_grad(&x)?;
//! assert_eq!(at.energy.dims(), [2]);
//! assert_eq!(at.grad.dims(), x.dims());
//! # Ok(())
//! # }
//! ```
//!
//! A net may have a clock: its score f(x, t) is then of an image and a time, [`Matching`] learns
//! what its gradient df/dx is, and [`ConvNet::at`] is its score at one time.
//!
//! An energy of one's own is [`energy_fn`] of a function of tensors; energies are added ([`Sum`]) and [`Tempered`]. [`toy`] holds
//! targets with closed forms, and points of the plane to learn from.
//!
//! The feature `serde` writes and reads the kinds ([`NormKind`] and the like) as the words of configurations.
//!
//! Invariants: an energy does not know that grids exist; [`Energy::value_and_grad`] never computes a parameter
//! gradient; initial parameters depend on the seed and their own name only, so adding a layer moves no other.

mod classifier;
mod clock;
mod combined;
mod conv_net;
mod energy;
mod energy_fn;
mod energy_net;
mod error;
mod kinds;
mod matching;
mod optimizer;
mod params;
mod reference;
mod spec;
pub mod toy;

pub use classifier::Classifier;
pub use combined::{Sum, Tempered};
pub use conv_net::{ConvNet, Scored};
pub use energy::{Energy, ValueAndGrad};
pub use energy_fn::{EnergyFn, energy_fn};
pub use energy_net::EnergyNet;
pub use error::{Error, Result};
pub use kinds::{ActivationKind, NormKind, PaddingKind, PrecisionKind, ReferenceKind};
pub use matching::{Matched, Matching, Targets};
pub use mg_kernels::{Part, Precision};
pub use optimizer::{DescentRule, Optimizer, moving_average};
pub use params::{Params, Statistics, below};
pub use reference::Reference;
pub use spec::{Activation, ConvSpec, NetSpec, Norm, Padding};

// What signatures of this crate need.
pub use {candle_core, mg_random};
