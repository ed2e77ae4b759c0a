//! Hidden pixels: the type here, its constructors in [`shapes`] and [`file`], its batches in [`batch`].

mod batch;
#[cfg(feature = "files")]
mod file;
mod shapes;

use std::fmt;

use crate::{Error, MAX_SIDE, Result};

/// The hidden pixels of one image on one grid; all channels of a pixel are hidden together.
///
/// Section 6.4 of the paper writes M for the hidden pixels: a sampler moves those and holds the others.
///
/// Invariant: `hidden` has side^2 entries, row by row, and 1 <= side <= [`MAX_SIDE`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mask {
    side: usize,
    hidden: Vec<bool>,
}

impl Mask {
    /// A mask from its pixels, row by row, true = hidden.
    ///
    /// # Errors
    /// When `side` is 0 or above [`MAX_SIDE`], or there are not side^2 pixels.
    pub fn new(side: usize, hidden: Vec<bool>) -> Result<Self> {
        check_side(side)?;
        if hidden.len() != side * side {
            return Err(Error::MaskLength { side, len: hidden.len() });
        }
        Ok(Mask { side, hidden })
    }

    /// Pixels per row and per column.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The pixels, row by row, true = hidden.
    pub fn hidden(&self) -> &[bool] {
        &self.hidden
    }

    /// Number of hidden pixels.
    pub fn n_hidden(&self) -> usize {
        self.hidden.iter().filter(|&&hidden| hidden).count()
    }

    /// Share of the pixels that is hidden, in [0, 1].
    pub fn hidden_fraction(&self) -> f64 {
        self.n_hidden() as f64 / self.hidden.len() as f64
    }
}

fn check_side(side: usize) -> Result<()> {
    if (1..=MAX_SIDE).contains(&side) { Ok(()) } else { Err(Error::MaskSide { side }) }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({0}x{0}, {1} hidden)", self.side, self.n_hidden())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        assert!(Mask::new(3, vec![false; 8]).unwrap_err().to_string().contains("9 pixels, got 8"));
        assert!(Mask::new(0, vec![]).unwrap_err().to_string().contains("got 0"));
        assert!(Mask::new(usize::MAX, vec![]).is_err());
    }

    #[test]
    fn the_papers_square_hides_a_quarter() {
        assert_eq!(Mask::square(64, 32, 16, 20).unwrap().hidden_fraction(), 0.25);
    }
}
