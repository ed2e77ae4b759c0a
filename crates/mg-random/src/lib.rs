//! Named, splittable, counter-based random numbers.
//!
//! A [`Key`] is a value, not a generator: it has no state to save and none to lose. A program names what a
//! number is for, and gets the same number wherever and whenever it asks:
//!
//! ```
//! use mg_random::Key;
//!
//! let key = Key::new(7).fold(120).named("langevin"); // seed 7, iteration 120, the sampler's noise
//! let mut noise = vec![0f32; 1000];
//! key.fill_normal(&mut noise);
//!
//! let mut again = vec![0f32; 1000];
//! Key::new(7).fold(120).named("langevin").fill_normal(&mut again);
//! assert_eq!(noise, again);
//! assert_ne!(key.fold(0).bits(), key.fold(1).bits());
//! ```
//!
//! So resuming needs no generator state in a checkpoint, and the bits do not depend on the number of threads.
//! The numbers come from Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011). Normals use the Box-Muller transform with polynomials of our own for the logarithm, sine
//! and cosine, and only operations that IEEE 754 rounds exactly (+, -, *, /, square root): the same bits on every
//! processor.

mod key;
mod normal;
mod permutation;
mod philox;
mod stream;

pub use key::Key;
pub use permutation::Permutation;
pub use stream::Stream;
