use candle_core::Tensor;

use crate::scale::{down, image_dims};
use crate::{Error, Grids, Result};

/// One batch of images on every grid of a ladder: the Y^(0), ..., Y^(S) of section 5.
///
/// Every level is scaled down straight from the finest, as in the authors' releases. For whole ratios that is
/// the same as scaling step by step; for others it is the average over exactly the pixel's own area.
///
/// Invariant: `levels[k]` is [n, c, s, s] with s = `grids.sides()[k]`.
#[derive(Clone, Debug)]
pub struct Pyramid {
    grids: Grids,
    levels: Vec<Tensor>,
}

impl Pyramid {
    /// The batch x [n, c, s, s] on each grid; s is the finest side.
    ///
    /// # Errors
    /// When x is not a batch of square floating-point images of the finest side.
    pub fn of(x: &Tensor, grids: &Grids) -> Result<Self> {
        let (_, _, side) = image_dims(x)?;
        if side != grids.finest() {
            return Err(Error::FinestSide { images: side, finest: grids.finest() });
        }
        let levels = grids.sides().iter().map(|&side| down(x, side)).collect::<Result<_>>()?;
        Ok(Pyramid { grids: grids.clone(), levels })
    }

    /// The ladder.
    pub fn grids(&self) -> &Grids {
        &self.grids
    }

    /// The levels, coarse to fine; level 0 is the 1x1 version.
    pub fn levels(&self) -> &[Tensor] {
        &self.levels
    }

    /// The level with the given number, 0 for the 1x1 version.
    pub fn level(&self, index: usize) -> Option<&Tensor> {
        self.levels.get(index)
    }

    /// The level of the given side.
    ///
    /// # Errors
    /// When the side is not on the ladder.
    pub fn at(&self, side: usize) -> Result<&Tensor> {
        Ok(&self.levels[self.grids.index_of(side)?])
    }

    /// The levels above the 1x1 version, coarse to fine: those that have models.
    pub fn above_minimal(&self) -> &[Tensor] {
        &self.levels[1..]
    }

    /// The 1x1 version, where chains begin: [n, c, 1, 1].
    pub fn minimal(&self) -> &Tensor {
        &self.levels[0]
    }

    /// The images as given: [n, c, s, s].
    pub fn finest(&self) -> &Tensor {
        &self.levels[self.levels.len() - 1]
    }

    /// (side, level), coarse to fine.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Tensor)> {
        self.grids.sides().iter().copied().zip(&self.levels)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn ramp(side: usize) -> Tensor {
        let values = Tensor::arange(0f64, (2 * 3 * side * side) as f64, &Device::Cpu).unwrap();
        values.reshape((2, 3, side, side)).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn every_level_is_the_batch_scaled_down_from_the_finest() {
        for sides in [&[1, 4, 16, 64][..], &[1, 16, 24, 36], &[1, 5, 10]] {
            let grids = Grids::new(sides).unwrap();
            let x = ramp(grids.finest());
            let pyramid = Pyramid::of(&x, &grids).unwrap();
            for (index, (side, level)) in pyramid.iter().enumerate() {
                assert_eq!(level.dims(), [2, 3, side, side]);
                assert_eq!(values(level), values(&down(&x, side).unwrap()));
                assert_eq!(values(level), values(pyramid.at(side).unwrap()));
                assert_eq!(values(level), values(pyramid.level(index).unwrap()));
            }
            assert_eq!(values(pyramid.finest()), values(&x));
            assert_eq!(pyramid.minimal().dims(), [2, 3, 1, 1]);
        }
    }

    #[test]
    fn whole_ratios_agree_with_the_papers_step_by_step_scaling() {
        let pyramid = Pyramid::of(&ramp(64), &Grids::paper()).unwrap();
        for (coarse, fine) in Grids::paper().pairs() {
            let step = down(pyramid.at(fine).unwrap(), coarse).unwrap();
            let direct = pyramid.at(coarse).unwrap();
            let gap =
                values(&step).iter().zip(values(direct)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(gap < 1e-9, "{fine} -> {coarse}: {gap}");
        }
    }

    #[test]
    fn images_of_another_side_are_refused() {
        let error = Pyramid::of(&ramp(32), &Grids::paper()).unwrap_err().to_string();
        assert!(error.contains("side 32") && error.contains("64"), "{error}");
        let bytes = ramp(64).to_dtype(DType::U8).unwrap();
        assert!(Pyramid::of(&bytes, &Grids::paper()).is_err());
        let pyramid = Pyramid::of(&ramp(64), &Grids::paper()).unwrap();
        assert!(pyramid.at(32).is_err() && pyramid.level(4).is_none());
    }
}
