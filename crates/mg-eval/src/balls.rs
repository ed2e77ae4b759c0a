//! Balls around rows that reach to a near neighbour: what is taken for where images lie.

use crate::blocks::check_rows;
use crate::pairs::{Of, for_each_block};
use crate::{Error, Features, Result};

/// Refuses sets in which a row has no k-th other row.
pub(crate) fn check_neighbours(sets: &[&dyn Features], k: usize) -> Result<()> {
    if k == 0 {
        return Err(Error::NoNeighbour);
    }
    sets.iter().try_for_each(|features| check_rows(*features, "a k-th neighbour", k.saturating_add(1)))
}

/// The squared distance of every row to its k-th nearest other row.
pub(crate) fn radii(features: &dyn Features, k: usize) -> Result<Vec<f64>> {
    let mut nearest = vec![Vec::with_capacity(k + 1); features.len()];
    for_each_block(features, features, Of::SquaredDifference, |block| {
        let first = block.first_b;
        block.update(&mut nearest, |nearest, (i, distances)| {
            let itself = i.checked_sub(first);
            for (_, &distance) in distances.iter().enumerate().filter(|(j, _)| Some(*j) != itself) {
                keep_least(nearest, distance, k);
            }
        });
    })?;
    Ok(nearest.into_iter().filter_map(|nearest| nearest.last().copied()).collect())
}

/// Puts a value among the k least ones seen, which are sorted.
fn keep_least(least: &mut Vec<f64>, value: f64, k: usize) {
    if least.len() == k && least.last().is_some_and(|&last| last <= value) {
        return;
    }
    least.insert(least.partition_point(|&other| other <= value), value);
    least.truncate(k);
}
