use mg_random::{Key, Stream};

use super::{Mask, check_side};
use crate::{Error, Result};

impl Mask {
    /// Nothing hidden.
    ///
    /// # Errors
    /// When `side` is 0 or above [`MAX_SIDE`](crate::MAX_SIDE).
    pub fn none(side: usize) -> Result<Self> {
        check_side(side)?;
        Ok(Mask { side, hidden: vec![false; side * side] })
    }

    /// A hidden `size` x `size` square whose first pixel is at row `top`, column `left`.
    ///
    /// # Errors
    /// When the square leaves the grid, or the side is not one a mask can have.
    pub fn square(side: usize, size: usize, top: usize, left: usize) -> Result<Self> {
        let mut mask = Mask::none(side)?;
        if size > side || top > side - size || left > side - size {
            return Err(Error::SquareOutside { size, top, left, side });
        }
        for row in top..top + size {
            mask.hidden[row * side + left..row * side + left + size].fill(true);
        }
        Ok(mask)
    }

    /// A hidden `size` x `size` square, each of the (side - size + 1)^2 positions equally likely.
    ///
    /// Training for recovery hides one 32x32 square of 64x64 per image (section 6.4).
    ///
    /// # Errors
    /// When the square is larger than the grid, or the side is not one a mask can have.
    pub fn random_square(side: usize, size: usize, key: Key) -> Result<Self> {
        let mut stream = key.named("square").stream();
        let positions = (side.saturating_sub(size) as u64).saturating_add(1);
        let (top, left) = (stream.below(positions), stream.below(positions));
        Mask::square(side, size, top as usize, left as usize)
    }

    /// Thick random strokes over `fraction` of the pixels (0.25 in section 6.4), to the nearest pixel.
    ///
    /// The paper publishes no generator. Here a stroke is a round brush, 1/12 to 1/6 of the side wide, that
    /// starts at a random observed pixel, walks about one side in a slowly turning direction and bounces off
    /// the border; the last dab is cut off when the fraction is reached.
    ///
    /// # Errors
    /// When `fraction` is outside [0, 1], or the side is not one a mask can have.
    pub fn doodle(side: usize, fraction: f64, key: Key) -> Result<Self> {
        let mut doodle = Doodle { mask: Mask::none(side)?, left: n_pixels(side, fraction)? };
        let key = key.named("doodle");
        let starts = key.named("start").permutation((side * side) as u64);
        for (stroke, start) in starts.iter().enumerate() {
            if doodle.left == 0 {
                break;
            }
            if !doodle.mask.hidden[start as usize] {
                doodle.stroke(start as usize, &mut key.fold(stroke as u64).stream());
            }
        }
        Ok(doodle.mask)
    }

    /// `fraction` of the pixels (0.6 in section 6.4), to the nearest pixel, chosen at random: the paper's
    /// "pepper and salt". They are missing pixels, all channels together, not black and white ones.
    ///
    /// # Errors
    /// When `fraction` is outside [0, 1], or the side is not one a mask can have.
    pub fn pepper(side: usize, fraction: f64, key: Key) -> Result<Self> {
        let mut mask = Mask::none(side)?;
        let order = key.named("pepper").permutation((side * side) as u64);
        for pixel in order.iter().take(n_pixels(side, fraction)?) {
            mask.hidden[pixel as usize] = true;
        }
        Ok(mask)
    }
}

fn n_pixels(side: usize, fraction: f64) -> Result<usize> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(Error::Fraction { fraction });
    }
    Ok((fraction * (side * side) as f64).round() as usize)
}

/// A mask being drawn, and the number of pixels left to hide.
struct Doodle {
    mask: Mask,
    left: usize,
}

impl Doodle {
    fn stroke(&mut self, start: usize, stream: &mut Stream) {
        let side = self.mask.side as f32;
        let radius = (side * (1.0 + stream.uniform()) / 24.0).max(0.5);
        let mut at = [(start / self.mask.side) as f32 + 0.5, (start % self.mask.side) as f32 + 0.5];
        let mut direction = unit([stream.normal(), stream.normal()]);
        let pace = 0.5 * radius;
        for _ in 0..=(side / pace) as usize {
            self.dab(at, radius);
            direction = unit(direction.map(|d| d + 0.25 * stream.normal()));
            for axis in 0..2 {
                let next = at[axis] + pace * direction[axis];
                if !(0.0..side).contains(&next) {
                    direction[axis] = -direction[axis];
                }
                at[axis] += pace * direction[axis];
            }
        }
    }

    /// Hides the pixels whose centres lie within `radius` of `at`, and the pixel that holds `at`.
    fn dab(&mut self, at: [f32; 2], radius: f32) {
        let side = self.mask.side;
        let [rows, columns] =
            at.map(|x| (x - radius).max(0.0) as usize..((x + radius) as usize + 1).min(side));
        for row in rows {
            for column in columns.clone() {
                let offset = [row as f32 + 0.5 - at[0], column as f32 + 0.5 - at[1]];
                let inside = offset[0] * offset[0] + offset[1] * offset[1] <= radius * radius
                    || offset.iter().all(|o| (-0.5..=0.5).contains(o));
                let hidden = &mut self.mask.hidden[row * side + column];
                if inside && !*hidden && self.left > 0 {
                    *hidden = true;
                    self.left -= 1;
                }
            }
        }
    }
}

fn unit([x, y]: [f32; 2]) -> [f32; 2] {
    let length = (x * x + y * y).sqrt();
    if length > 1e-6 { [x / length, y / length] } else { [1.0, 0.0] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn doodles_and_peppers_hide_their_fraction(side in 1usize..80, fraction in 0f64..=1.0, seed: u64) {
            let key = Key::new(seed);
            let expected = (fraction * (side * side) as f64).round() as usize;
            prop_assert_eq!(Mask::doodle(side, fraction, key).unwrap().n_hidden(), expected);
            prop_assert_eq!(Mask::pepper(side, fraction, key).unwrap().n_hidden(), expected);
        }

        #[test]
        fn random_squares_are_squares_inside_the_grid(side in 1usize..40, size in 0usize..40, seed: u64) {
            let size = size.min(side);
            let mask = Mask::random_square(side, size, Key::new(seed)).unwrap();
            prop_assert_eq!(mask.n_hidden(), size * size);
            if let Some(first) = mask.hidden().iter().position(|&hidden| hidden) {
                prop_assert_eq!(Mask::square(side, size, first / side, first % side).unwrap(), mask);
            }
        }
    }

    #[test]
    fn random_squares_reach_every_position_equally_often() {
        let mut counts = [0i32; 16];
        for seed in 0..8000 {
            let mask = Mask::random_square(5, 2, Key::new(seed)).unwrap();
            let first = mask.hidden().iter().position(|&hidden| hidden).unwrap();
            counts[first / 5 * 4 + first % 5] += 1;
        }
        assert!(counts.iter().all(|n| (n - 500).abs() < 110), "{counts:?}");
    }

    #[test]
    fn peppers_are_scattered_and_doodles_are_thick() {
        // Share of the right-hand neighbours of hidden pixels that are hidden too.
        let clumping = |mask: &Mask| {
            let pairs = (0..64 * 64).filter(|p| p % 64 < 63 && mask.hidden[*p]).map(|p| mask.hidden[p + 1]);
            let (hidden, all) = pairs.fold((0, 0), |(h, n), neighbour| (h + u32::from(neighbour), n + 1));
            f64::from(hidden) / f64::from(all)
        };
        for seed in 0..20 {
            let pepper = clumping(&Mask::pepper(64, 0.25, Key::new(seed)).unwrap());
            let doodle = clumping(&Mask::doodle(64, 0.25, Key::new(seed)).unwrap());
            assert!((pepper - 0.25).abs() < 0.1, "pepper {pepper}");
            assert!(doodle > 0.75, "doodle {doodle}");
        }
    }

    #[test]
    fn a_key_names_a_mask() {
        for draw in [
            |key| Mask::random_square(64, 32, key).unwrap(),
            |key| Mask::doodle(64, 0.25, key).unwrap(),
            |key| Mask::pepper(64, 0.6, key).unwrap(),
        ] {
            assert_eq!(draw(Key::new(1)), draw(Key::new(1)));
            assert_ne!(draw(Key::new(1)), draw(Key::new(2)));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors_with_their_numbers() {
        let outside = Mask::square(64, 32, 33, 0).unwrap_err().to_string();
        assert!(outside.contains("32x32") && outside.contains("row 33") && outside.contains("64x64"));
        assert!(Mask::square(4, 2, usize::MAX, 0).is_err() && Mask::square(4, 5, 0, 0).is_err());
        assert!(
            Mask::random_square(4, 5, Key::new(0)).is_err()
                && Mask::random_square(0, 0, Key::new(0)).is_err()
        );
        for fraction in [-0.1, 1.1, f64::NAN] {
            assert!(Mask::doodle(8, fraction, Key::new(0)).is_err());
            assert!(Mask::pepper(8, fraction, Key::new(0)).is_err());
        }
        assert!(Mask::none(0).is_err() && Mask::doodle(usize::MAX, 0.5, Key::new(0)).is_err());
    }
}
