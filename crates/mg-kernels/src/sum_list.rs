use candle_core::{DType, Tensor};

use crate::expect::expect;
use crate::{Error, Result};

/// A flat list of weight sums on its way back into a structure, taken one by one.
pub(crate) struct SumList {
    tensors: std::vec::IntoIter<Tensor>,
    /// Tensors of the whole list, and how many of them were taken.
    count: usize,
    taken: usize,
}

impl SumList {
    /// # Errors
    /// [`Error::WeightSums`] unless there are `expected` tensors.
    pub(crate) fn new(tensors: Vec<Tensor>, expected: usize) -> Result<Self> {
        let found = tensors.len();
        if found != expected {
            return Err(Error::WeightSums { found, expected });
        }
        Ok(Self { tensors: tensors.into_iter(), count: found, taken: 0 })
    }

    /// The next tensor, which must have this shape and element type.
    ///
    /// # Errors
    /// Another shape or type, or the end of the list.
    pub(crate) fn take(&mut self, dims: &[usize], dtype: DType) -> Result<Tensor> {
        let end = Error::WeightSums { found: self.count, expected: self.taken + 1 };
        let tensor = self.tensors.next().ok_or(end)?;
        expect(format!("weight sum {}", self.taken), &tensor, dims, dtype)?;
        self.taken += 1;
        Ok(tensor)
    }
}
