use std::ops::Range;

use candle_core::Tensor;

use crate::Result;

/// Images that a model is asked about: what a data set is to this crate.
pub trait Images {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them, [n, c, s, s] with values in [-1, 1], on the device that they are to be computed on.
    ///
    /// # Errors
    /// When an image cannot be read.
    fn batch(&self, numbers: Range<usize>) -> Result<Tensor>;
}

/// The numbers of `len` images in batches of `size`, the last one with what is left.
pub(crate) fn batches(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(size).map(move |first| first..len.min(first + size))
}
