use candle_core::{DType, Tensor};

use super::columns::Columns;
use super::features::LabelledFeatures;
use super::space::Space;
use crate::Result;

/// Separating hyperplanes: decisions are X weights + intercepts.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// [d, m].
    pub(super) weights: Tensor,
    /// [1, m].
    pub(super) intercepts: Tensor,
}

/// Features whose weights are computed at a time.
const CHUNK: usize = 2048;

impl Planes {
    /// The planes of these coordinates in the space of a set's rows.
    pub(super) fn of(set: &LabelledFeatures, space: &Space, coordinates: &Columns) -> Result<Self> {
        let (d, u) = (set.width(), coordinates.tensor()?);
        if !space.is_span() {
            return Ok(Planes { weights: u.narrow(0, 0, d)?.contiguous()?, intercepts: u.narrow(0, d, 1)? });
        }
        let chunk = |first: usize| -> Result<Tensor> {
            let features = set.features().narrow(1, first, CHUNK.min(d - first))?;
            Ok(features.contiguous()?.to_dtype(DType::F64)?.t()?.matmul(&u)?)
        };
        let weights = (0..d).step_by(CHUNK).map(chunk).collect::<Result<Vec<_>>>()?;
        Ok(Planes { weights: Tensor::cat(&weights, 0)?, intercepts: u.sum_keepdim(0)? })
    }

    /// The planes of several, in this order.
    pub(super) fn beside(parts: &[Planes]) -> Result<Self> {
        let (weights, intercepts): (Vec<_>, Vec<_>) =
            parts.iter().map(|part| (&part.weights, &part.intercepts)).unzip();
        Ok(Planes { weights: Tensor::cat(&weights, 1)?, intercepts: Tensor::cat(&intercepts, 1)? })
    }

    /// Decisions for rows of the planes' type: [n, d] -> [n, m].
    pub(super) fn decisions(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(rows.matmul(&self.weights)?.broadcast_add(&self.intercepts)?)
    }

    /// Of every model, whose planes are one a class and lie side by side, how many rows of a set it labels rightly.
    /// Decisions are computed in the type of the features.
    pub(super) fn count_right(&self, set: &LabelledFeatures) -> Result<Vec<usize>> {
        let classes = set.classes();
        let mut right = vec![0; self.intercepts.elem_count() / classes];
        let kind = set.features().dtype();
        let planes =
            Planes { weights: self.weights.to_dtype(kind)?, intercepts: self.intercepts.to_dtype(kind)? };
        for rows in set.chunks() {
            let features = set.features().narrow(0, rows.start, rows.len())?;
            let decisions = Columns::of(&planes.decisions(&features)?)?;
            for (row, label) in decisions.values.chunks_exact(decisions.width).zip(&set.labels()[rows]) {
                for (right, model) in right.iter_mut().zip(row.chunks_exact(classes)) {
                    *right += usize::from(largest(model) == *label);
                }
            }
        }
        Ok(right)
    }
}

/// The first of the largest values.
pub(super) fn largest(values: &[f64]) -> u32 {
    let mut best = 0;
    for (k, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = k;
        }
    }
    best as u32
}
