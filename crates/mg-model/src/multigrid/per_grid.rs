use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One value for all grids, or one each, coarse to fine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerGrid<T> {
    /// The same for every grid.
    All(T),
    /// Coarse to fine.
    Each(Vec<T>),
}

impl<T: Clone> PerGrid<T> {
    /// Refuses a list that does not have a value for each of `levels` grids.
    ///
    /// # Errors
    /// Names the key, and how many values it needs.
    pub fn check_len(&self, key: &str, levels: usize) -> Result<()> {
        match self {
            PerGrid::Each(values) if values.len() != levels => Err(Error::value(
                key,
                format!("{} values", values.len()),
                format!("one value, or one for each of the {levels} grids above 1x1"),
            )),
            _ => Ok(()),
        }
    }

    /// The value of grid number `index`, coarse to fine.
    ///
    /// # Panics
    /// When values are listed and there are too few: [`check_len`](PerGrid::check_len) refuses that.
    pub fn at(&self, index: usize) -> T {
        match self {
            PerGrid::All(value) => value.clone(),
            PerGrid::Each(values) => values[index].clone(),
        }
    }

    /// All values that are named.
    pub fn values(&self) -> &[T] {
        match self {
            PerGrid::All(value) => std::slice::from_ref(value),
            PerGrid::Each(values) => values,
        }
    }
}
