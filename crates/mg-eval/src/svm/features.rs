use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// Feature vectors with labels.
#[derive(Clone, Debug)]
pub struct LabelledFeatures {
    /// Invariant: on the CPU, [n, d] with n and d at least 1, f32 or f64, row after row in memory, every value finite.
    features: Tensor,
    /// Invariant: n labels, each below `classes`.
    labels: Vec<u32>,
    classes: usize,
    what: &'static str,
}

/// Rows that are read or converted at a time.
const CHUNK: usize = 1024;

impl LabelledFeatures {
    /// Features [n, d] and their n labels, of `classes` classes. f32 and f64 are kept as they are, other types become
    /// f32. `what` names the set in errors: "training", "test".
    ///
    /// # Errors
    /// When the tensor is no matrix or has no element, a value is not finite, there are fewer than two classes, labels
    /// are missing or too many, or one is not below `classes`.
    pub fn new(what: &'static str, features: &Tensor, labels: &[u32], classes: usize) -> Result<Self> {
        let &[n, d] = features.dims() else {
            return Err(Error::NotFeatures { what, shape: features.dims().to_vec() });
        };
        if n == 0 || d == 0 {
            return Err(Error::NotFeatures { what, shape: vec![n, d] });
        }
        if classes < 2 {
            return Err(Error::OneClass { classes });
        }
        if labels.len() != n {
            return Err(Error::LabelCount { what, labels: labels.len(), rows: n });
        }
        if let Some((row, &label)) = labels.iter().enumerate().find(|(_, label)| **label as usize >= classes)
        {
            return Err(Error::Label { what, row, label, classes });
        }
        let features = features.to_device(&Device::Cpu)?;
        let features = match features.dtype() {
            DType::F32 | DType::F64 => features.contiguous()?,
            _ => features.to_dtype(DType::F32)?.contiguous()?,
        };
        let set = LabelledFeatures { features, labels: labels.to_vec(), classes, what };
        set.check_finite()?;
        Ok(set)
    }

    fn check_finite(&self) -> Result<()> {
        let (rows, width) = (self.len(), self.width());
        for first in (0..rows).step_by(CHUNK) {
            let values = self.features.narrow(0, first, CHUNK.min(rows - first))?.flatten_all()?;
            let bad = match values.dtype() {
                DType::F64 => values.to_vec1::<f64>()?.iter().position(|v| !v.is_finite()),
                _ => values.to_vec1::<f32>()?.iter().position(|v| !v.is_finite()),
            };
            if let Some(bad) = bad {
                let value = values.get(bad)?.to_dtype(DType::F64)?.to_scalar()?;
                let (row, column) = (first + bad / width, bad % width);
                return Err(Error::FeatureNotFinite { what: self.what, row, column, value });
            }
        }
        Ok(())
    }

    /// Number of rows n.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// False: there is at least one row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of features per row d.
    pub fn width(&self) -> usize {
        self.features.elem_count() / self.labels.len()
    }

    /// The label of every row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The features [n, d].
    pub fn features(&self) -> &Tensor {
        &self.features
    }

    /// The set as errors call it.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// The rows of these numbers, in this order.
    pub(super) fn subset(&self, rows: &[u32]) -> Result<Self> {
        let index = Tensor::new(rows, &Device::Cpu)?;
        Ok(LabelledFeatures {
            features: self.features.index_select(&index, 0)?,
            labels: rows.iter().map(|&row| self.labels[row as usize]).collect(),
            ..*self
        })
    }

    /// Row ranges of a size that can be held in memory once more.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.len();
        (0..rows).step_by(CHUNK).map(move |first| first..rows.min(first + CHUNK))
    }

    /// Checks that `other` has features as wide and as many classes.
    pub(super) fn check_fits(&self, other: &LabelledFeatures) -> Result<()> {
        if self.width() != other.width() {
            let (width, expected) = (self.width(), other.width());
            return Err(Error::Widths { what: self.what, width, other: other.what, expected });
        }
        if self.classes != other.classes {
            let (classes, expected) = (self.classes, other.classes);
            return Err(Error::ClassCounts { what: self.what, classes, other: other.what, expected });
        }
        Ok(())
    }
}
