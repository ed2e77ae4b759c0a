use std::fmt;

use crate::{Error, MAX_SIDE, Result};

/// A nested ladder of square grids, from the 1x1 grid where chains begin to the finest.
///
/// Invariant: at least two sides, the first is 1, strictly increasing, none above [`MAX_SIDE`].
/// Ratios of neighbours need not be whole (section 5 of the paper names 1.5): see [`down`](crate::down).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grids {
    sides: Vec<usize>,
}

impl Grids {
    /// A ladder of the given sides, coarse to fine.
    ///
    /// # Errors
    /// When the sides do not start at 1, do not increase, are fewer than two, or exceed [`MAX_SIDE`].
    pub fn new(sides: &[usize]) -> Result<Self> {
        let given = || sides.to_vec();
        match sides {
            [] | [1] => return Err(Error::LadderTooShort { sides: given() }),
            [first, ..] if *first != 1 => return Err(Error::LadderStart { first: *first, sides: given() }),
            _ => {}
        }
        for pair in sides.windows(2) {
            if pair[1] <= pair[0] {
                return Err(Error::LadderOrder { previous: pair[0], next: pair[1], sides: given() });
            }
            if pair[1] > MAX_SIDE {
                return Err(Error::SideTooLarge { side: pair[1] });
            }
        }
        Ok(Grids { sides: given() })
    }

    /// The paper's ladder, 1 -> 4 -> 16 -> 64 (section 6).
    pub fn paper() -> Self {
        Grids { sides: vec![1, 4, 16, 64] }
    }

    /// All sides, coarse to fine, starting with 1.
    pub fn sides(&self) -> &[usize] {
        &self.sides
    }

    /// The sides that carry a model: all but the 1x1 grid.
    pub fn model_sides(&self) -> &[usize] {
        &self.sides[1..]
    }

    /// The coarsest side that carries a model.
    pub fn coarsest_model(&self) -> usize {
        self.sides[1]
    }

    /// The finest side, where the images live.
    pub fn finest(&self) -> usize {
        self.sides[self.sides.len() - 1]
    }

    /// Number of grids that carry a model: the paper's S.
    pub fn n_models(&self) -> usize {
        self.sides.len() - 1
    }

    /// The climbs (coarse, fine), in the order of a coarse-to-fine sweep: (1, 4), (4, 16), (16, 64).
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.sides.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// The position of a side on the ladder, 0 for the 1x1 grid.
    ///
    /// # Errors
    /// When the side is not on the ladder.
    pub fn index_of(&self, side: usize) -> Result<usize> {
        let found = self.sides.binary_search(&side);
        found.map_err(|_| Error::NoSuchGrid { side, sides: self.sides.clone() })
    }
}

impl fmt::Display for Grids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sides[0])?;
        self.sides[1..].iter().try_for_each(|side| write!(f, " -> {side}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_of_any_ratio_are_accepted() {
        for sides in [&[1, 4, 16, 64][..], &[1, 4, 16, 32], &[1, 2, 4, 8, 16], &[1, 64], &[1, 16, 24, 36]] {
            assert_eq!(Grids::new(sides).unwrap().sides(), sides);
        }
        assert_eq!(Grids::new(&[1, 4, 16, 64]).unwrap(), Grids::paper());
    }

    #[test]
    fn ladders_that_do_not_climb_from_one_are_refused_with_their_numbers() {
        let message = |sides: &[usize]| Grids::new(sides).unwrap_err().to_string();
        assert!(message(&[]).contains("[]"));
        assert!(message(&[1]).contains("[1]"));
        assert!(message(&[4, 16]).contains("not at 4"));
        assert!(message(&[0, 1]).contains("not at 0"));
        assert!(message(&[1, 16, 4]).contains("grid 4 after grid 16"));
        assert!(message(&[1, 16, 16]).contains("grid 16 after grid 16"));
        assert!(message(&[1, 100_000]).contains("100000"));
    }

    #[test]
    fn the_paper_has_three_models_and_three_climbs() {
        let grids = Grids::paper();
        assert_eq!(grids.model_sides(), [4, 16, 64]);
        assert_eq!((grids.coarsest_model(), grids.finest(), grids.n_models()), (4, 64, 3));
        assert_eq!(grids.pairs().collect::<Vec<_>>(), [(1, 4), (4, 16), (16, 64)]);
        assert_eq!(grids.index_of(16).unwrap(), 2);
        assert!(grids.index_of(32).unwrap_err().to_string().contains("no grid 32"));
        assert_eq!(grids.to_string(), "1 -> 4 -> 16 -> 64");
    }
}
