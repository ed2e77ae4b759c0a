//! Hidden pixels: the type here, its constructors in [`shapes`] and [`file`], its batches in [`batch`].

mod batch;
mod file;
mod shapes;

use std::fmt;

use crate::area_average::AreaAverage;
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

    /// The same mask on a coarser grid: a coarse pixel is observed only if every fine pixel that it shares a
    /// positive area with is observed, so an observed coarse pixel is a mean of observed pixels.
    ///
    /// Coarsening composes at whole ratios; through a grid of another ratio it can only hide more.
    ///
    /// # Errors
    /// When `side` is 0 or above the mask's side.
    pub fn coarsen(&self, side: usize) -> Result<Mask> {
        let average = AreaAverage::new(side, self.side).ok_or(Error::Down { from: self.side, to: side })?;
        let mut hidden = Vec::with_capacity(side * side);
        for row in 0..side {
            for column in 0..side {
                let columns = average.covered(column);
                let mut rows = average.covered(row).map(|r| &self.hidden[r * self.side..(r + 1) * self.side]);
                hidden.push(rows.any(|pixels| pixels[columns.clone()].contains(&true)));
            }
        }
        Ok(Mask { side, hidden })
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
    use mg_random::Key;
    use proptest::prelude::*;

    use super::*;

    fn hides_at_least(more: &Mask, less: &Mask) -> bool {
        more.hidden.iter().zip(&less.hidden).all(|(&more, &less)| more || !less)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn hiding_more_pixels_hides_more_coarse_pixels(side in 1usize..24, coarse in 1usize..24, seed: u64) {
            let coarse = coarse.min(side);
            let less = Mask::pepper(side, 0.1, Key::new(seed)).unwrap();
            let extra = Mask::pepper(side, 0.1, Key::new(seed).fold(1)).unwrap();
            let both = less.hidden.iter().zip(&extra.hidden).map(|(a, b)| a | b).collect();
            let more = Mask::new(side, both).unwrap();
            prop_assert!(hides_at_least(&more.coarsen(coarse).unwrap(), &less.coarsen(coarse).unwrap()));
        }

        #[test]
        fn a_hidden_pixel_stays_hidden_and_an_observed_block_observed(
            side in 1usize..24, coarse in 1usize..24, row in 0usize..24, column in 0usize..24,
        ) {
            let (coarse, row, column) = (coarse.min(side), row.min(side - 1), column.min(side - 1));
            let mask = Mask::square(side, 1, row, column).unwrap().coarsen(coarse).unwrap();
            // Hidden exactly where the open intervals of coarse and fine pixel meet, on both axes.
            let meets = |i: usize, j: usize| i * side < (j + 1) * coarse && j * coarse < (i + 1) * side;
            for (pixel, &hidden) in mask.hidden.iter().enumerate() {
                prop_assert_eq!(hidden, meets(pixel / coarse, row) && meets(pixel % coarse, column));
            }
        }

        #[test]
        fn coarsening_composes_at_whole_ratios(side in 1usize..6, d in 1usize..4, e in 1usize..4, seed: u64) {
            let mask = Mask::pepper(side * d * e, 0.1, Key::new(seed)).unwrap();
            let steps = mask.coarsen(side * d).unwrap().coarsen(side).unwrap();
            prop_assert_eq!(steps, mask.coarsen(side).unwrap());
        }

        #[test]
        fn coarsening_in_steps_of_any_ratio_hides_at_least_as_much(side in 1usize..40, seed: u64) {
            let mask = Mask::pepper(side, 0.05, Key::new(seed)).unwrap();
            let (middle, coarse) = ((2 * side).div_ceil(3), (4 * side).div_ceil(9));
            let steps = mask.coarsen(middle).unwrap().coarsen(coarse).unwrap();
            prop_assert!(hides_at_least(&steps, &mask.coarsen(coarse).unwrap()));
        }
    }

    #[test]
    fn the_papers_square_on_the_papers_grids() {
        let mask = Mask::square(64, 32, 16, 20).unwrap();
        assert_eq!(mask.hidden_fraction(), 0.25);
        assert_eq!(mask.coarsen(16).unwrap(), Mask::square(16, 8, 4, 5).unwrap());
        assert_eq!(mask.coarsen(1).unwrap().hidden(), [true]);
        assert_eq!(Mask::square(64, 32, 16, 18).unwrap().coarsen(16).unwrap().n_hidden(), 8 * 9);
        assert_eq!(Mask::none(64).unwrap().coarsen(1).unwrap().hidden(), [false]);
    }

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        assert!(Mask::new(3, vec![false; 8]).unwrap_err().to_string().contains("9 pixels, got 8"));
        assert!(Mask::new(0, vec![]).unwrap_err().to_string().contains("got 0"));
        assert!(Mask::new(usize::MAX, vec![]).is_err());
        let mask = Mask::none(4).unwrap();
        assert!(mask.coarsen(0).unwrap_err().to_string().contains("down to 0"));
        assert!(mask.coarsen(5).unwrap_err().to_string().contains("side 4 down to 5"));
    }
}
