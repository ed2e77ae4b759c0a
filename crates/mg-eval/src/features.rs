use std::borrow::Cow;
use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// Features of images: a table of n rows, one per image, of d numbers, which may be larger than memory.
///
/// All scores of features read such a table block by block. A network's output on disk is one, a
/// [`FeatureTable`] in memory another.
pub trait Features: Sync {
    /// Number of rows n.
    fn len(&self) -> usize;

    /// Numbers per row d.
    fn dim(&self) -> usize;

    /// The rows of a range within `0..len()`, row-major: `range.len()` times d numbers. Most scores ask for up to
    /// 1,024 rows at a time and go through the table in order; [`kernel_distance`](crate::kernel_distance) asks for
    /// single rows in any order.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>>;

    /// True when there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// [`Features`] in memory.
///
/// ```
/// use mg_eval::{FeatureTable, Features};
///
/// let table = FeatureTable::new(vec![1.0, 2.0, 3.0, 4.0], 2)?; // 2 rows of 2 numbers
/// assert_eq!((table.len(), table.dim()), (2, 2));
/// assert_eq!(*table.rows(1..2)?, [3.0, 4.0]);
/// # Ok::<(), mg_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    /// Invariant: a multiple of `dim` finite numbers.
    data: Vec<f32>,
    /// Invariant: at least 1.
    dim: usize,
}

impl FeatureTable {
    /// A table of rows of `dim` numbers, given row by row.
    ///
    /// # Errors
    /// When the numbers make no whole rows, or one is not finite.
    pub fn new(data: Vec<f32>, dim: usize) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(Error::Ragged { values: data.len(), dim });
        }
        check_finite(&data, dim, 0)?;
        Ok(FeatureTable { data, dim })
    }

    /// The rows of a tensor [n, d] of floating-point numbers on any device.
    ///
    /// # Errors
    /// When the tensor has another number of axes, no column, or a number that is not finite.
    pub fn from_tensor(features: &Tensor) -> Result<Self> {
        let &[_, dim] = features.dims() else {
            return Err(Error::NotFeatures { what: "given", shape: features.dims().to_vec() });
        };
        let data = features.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        FeatureTable::new(data, dim)
    }

    /// The table as an f32 tensor [n, d] on the CPU.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.data, (self.len(), self.dim), &Device::Cpu)?)
    }
}

impl Features for FeatureTable {
    fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
        let values = range.start.checked_mul(self.dim).zip(range.end.checked_mul(self.dim));
        let rows = values.and_then(|(start, end)| self.data.get(start..end));
        rows.map(Cow::Borrowed).ok_or(Error::NoSuchRows { range, n: self.len() })
    }
}

/// Refuses numbers that are not finite; the first row has number `first`.
pub(crate) fn check_finite(rows: &[f32], dim: usize, first: usize) -> Result<()> {
    match rows.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            Err(Error::NotFiniteFeature { row: first + at / dim, column: at % dim, value: rows[at].into() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use mg_random::Key;

    use super::*;

    /// Rows of independent standard normal numbers.
    pub(crate) fn normal(n: usize, dim: usize, seed: u64) -> FeatureTable {
        let mut data = vec![0f32; n * dim];
        Key::new(seed).named("features").fill_normal(&mut data);
        FeatureTable::new(data, dim).unwrap()
    }

    /// Calls `f` on one and on two threads and returns both results.
    pub(crate) fn on_one_and_two_threads<T: Send>(f: impl Fn() -> T + Sync) -> [T; 2] {
        [1, 2]
            .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&f))
    }

    /// A table that breaks its promises.
    pub(crate) struct Broken(pub(crate) Vec<f32>);

    impl Features for Broken {
        fn len(&self) -> usize {
            6
        }

        fn dim(&self) -> usize {
            2
        }

        fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
            Ok(self.0.get(2 * range.start..2 * range.end).unwrap_or(&[]).into())
        }
    }

    #[test]
    fn a_tensor_and_its_table_hold_the_same_rows() {
        let table = normal(5, 3, 0);
        let tensor = table.to_tensor().unwrap();
        assert_eq!(tensor.dims(), [5, 3]);
        assert_eq!(FeatureTable::from_tensor(&tensor).unwrap(), table);
        let halves = tensor.to_dtype(DType::BF16).unwrap();
        let read = FeatureTable::from_tensor(&halves).unwrap().to_tensor().unwrap();
        let rounded = halves.to_dtype(DType::F32).unwrap();
        assert_eq!(read.to_vec2::<f32>().unwrap(), rounded.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn bad_tables_are_errors_with_row_and_column() {
        assert!(FeatureTable::new(vec![0.0; 5], 2).unwrap_err().to_string().contains('5'));
        assert!(FeatureTable::new(vec![], 0).is_err());
        let error = FeatureTable::new(vec![0.0, 0.0, 0.0, f32::NAN], 2).unwrap_err().to_string();
        assert!(error.contains("row 1, column 1"), "{error}");
        let cube = Tensor::zeros((2, 2, 2), DType::F32, &Device::Cpu).unwrap();
        assert!(FeatureTable::from_tensor(&cube).unwrap_err().to_string().contains("[2, 2, 2]"));
        let table = normal(4, 2, 0);
        for range in [3..5, 9..9, 0..usize::MAX] {
            assert!(table.rows(range).unwrap_err().to_string().contains("4 rows"));
        }
    }
}
