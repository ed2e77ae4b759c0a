use std::ops::Range;

use crate::{Error, Result};

/// Most lanes that weight gradients are summed in.
pub(crate) const LANES: usize = 8;

/// Neighbouring images of a batch, whose share of the batch's weight gradients is summed by itself.
///
/// The weight gradients of a batch of `n` images are summed in `lanes = min(8, n)` lanes, each over its images in order,
/// then lane by lane. Lane `l` holds images `floor(l n / lanes) .. floor((l + 1) n / lanes)`. So contributors that each
/// hold whole lanes, and add all lanes in order, have the bits of the whole batch: see
/// [`ScoreNet::score_and_weight_sums`](crate::ScoreNet::score_and_weight_sums).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the part's first image within the batch.
    pub first: usize,
    /// Images of the whole batch.
    pub of: usize,
}

impl Part {
    /// A whole batch of `n` images.
    pub fn whole(n: usize) -> Self {
        Self { first: 0, of: n }
    }

    /// The images of contributor `rank` (from 0) of `size`, among which a batch of `n` images is shared: whole lanes, as
    /// equally many as there can be. Empty for some contributors when there are more of them than lanes, and for a rank
    /// that is not below `size`.
    pub fn share(rank: usize, size: usize, n: usize) -> Range<usize> {
        let border = |rank: usize| border(rank.min(size) * lanes(n) / size.max(1), n);
        border(rank)..border(rank.saturating_add(1))
    }

    /// How many contributors a batch of `n` images can be shared among, so that each has some of it.
    pub fn most_shares(n: usize) -> usize {
        lanes(n)
    }

    /// The lanes that the part's `n` images fill.
    ///
    /// # Errors
    /// [`Error::Part`] when it begins or ends inside a lane, or ends beyond the batch.
    pub(crate) fn lanes(self, n: usize) -> Result<Range<usize>> {
        let borders = || (0..=lanes(self.of)).map(|lane| border(lane, self.of));
        let lane_at = |image: usize| borders().position(|border| border == image);
        match (lane_at(self.first), lane_at(self.first.saturating_add(n))) {
            (Some(first), Some(end)) => Ok(first..end),
            _ => Err(Error::Part { first: self.first, n, of: self.of, borders: borders().collect() }),
        }
    }
}

/// Lanes of a batch of `n` images.
pub(crate) fn lanes(n: usize) -> usize {
    LANES.min(n)
}

/// The first image of lane `lane` in a batch of `n` images; `n` for the lane after the last.
fn border(lane: usize, n: usize) -> usize {
    lane * n / lanes(n).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other_and_are_whole_lanes() {
        for n in [1, 2, 5, 7, 8, 9, 32, 100, 1001] {
            for size in 1..=12 {
                let mut end = 0;
                for rank in 0..size {
                    let share = Part::share(rank, size, n);
                    assert_eq!(share.start, end);
                    end = share.end;
                    Part { first: share.start, of: n }.lanes(share.len()).unwrap();
                }
                assert_eq!(end, n);
                let has_some = |rank| !Part::share(rank, size, n).is_empty();
                assert_eq!((0..size).all(has_some), size <= Part::most_shares(n), "{size} of {n}");
                assert!(Part::share(size, size, n).is_empty() && Part::share(usize::MAX, size, n).is_empty());
            }
        }
        assert!(Part::share(0, 0, 5).is_empty());
    }

    #[test]
    fn a_part_inside_a_lane_is_refused_with_the_borders() {
        let refused = Part { first: 3, of: 20 }.lanes(4).unwrap_err().to_string();
        assert!(refused.contains("[0, 2, 5, 7, 10, 12, 15, 17, 20]"), "{refused}");
        assert!(Part { first: 17, of: 20 }.lanes(5).is_err());
        assert_eq!(Part { first: 5, of: 20 }.lanes(7).unwrap(), 2..5);
    }
}
