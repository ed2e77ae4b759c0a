//! Linear support vector machines on features, and Radford's protocol for judging features by them (table 2).
//!
//! Reading order:
//!
//! 1. [`LabelledFeatures`]: vectors with labels, checked once.
//! 2. [`LinearSvm`]: one-vs-rest, squared hinge, LIBLINEAR's objective, solved to machine precision.
//! 3. [`RadfordProtocol`]: balanced draws of few labels, C by validation, the error on test images.
//!
//! # How it is solved
//!
//! Draws have fewer rows than features (1,000 against 15,360), so the weights are sought where they lie, in the span of
//! the rows: w = X^T b, and only the Gram matrix X X^T is needed, once for all classes and all C. With fewer features
//! than rows they are sought directly. The objective is piecewise quadratic, so Newton's method with an exact line
//! search ends after finitely many steps (Mangasarian 2002; Keerthi and DeCoste 2005), here about eight. Its linear
//! systems differ from class to class by the rows that have slack; conjugate gradients solve them for all classes side
//! by side, preconditioned by the system in which every row has slack, which is one Cholesky factor per C; where that gets
//! nowhere, as it may when rows depend on each other, a class gets a factor of its own, and so it does where rows are few. The
//! gradient bounds what is left: the duality gap at w is |gradient|^2 / 2.
//!
//! Everything is computed in f64 and has the same bits on any number of threads.

mod cholesky;
mod columns;
mod conjugate;
mod direct;
mod draw;
mod features;
mod gram;
mod line_search;
mod linear;
mod newton;
mod planes;
mod point;
mod problem;
mod radford;
mod space;

pub use features::LabelledFeatures;
pub use linear::LinearSvm;
pub use point::ClassFit;
pub use radford::{RadfordProtocol, RadfordScore};
