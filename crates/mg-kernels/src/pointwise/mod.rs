//! Passes over maps `[n, y, x, channel]`, value by value, and their sums.

mod affine;
mod combine;
mod head;
mod sums;
mod tangent;
mod walk;

pub(crate) use affine::{Affine, Apply, apply, gate};
pub(crate) use combine::{Combine, combine};
pub(crate) use head::{Head, add_scaled, dot, pull};
pub(crate) use sums::{Sums, sums};
pub(crate) use tangent::{Bend, bend, slope};
pub(crate) use walk::Walk;
