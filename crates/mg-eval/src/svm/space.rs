use candle_core::{DType, Device, Tensor};

use super::cholesky::Cholesky;
use super::columns::Columns;
use super::features::LabelledFeatures;
use super::gram::{Gram, Precision};
use crate::{Error, Result};

/// The coordinates u in which weights w are sought. Every row x_i is extended by a 1, whose weight is the intercept.
///
/// With no more rows than features they are those of the span of the rows, w = X^T u; else w = u.
pub(super) struct Space {
    /// In the span X X^T, [n, n]; else X^T X, [p, p].
    gram: Tensor,
    /// X, [n, p], unless coordinates are those of the span.
    rows: Option<Tensor>,
    /// The mean of the Gram matrix's diagonal.
    scale: f64,
}

/// I + 2 C X^T X, the second derivative of the objective where every row has slack, factored.
pub(super) struct Curvature<'a> {
    space: &'a Space,
    factor: Cholesky,
    twice_c: f64,
}

/// 2 C X X^T must be this large, beside I, to be told from a difference.
const WEIGHTY: f64 = 1e-4;

impl Space {
    /// The smaller of both for these rows.
    pub(super) fn of(set: &LabelledFeatures, precision: Precision) -> Result<Self> {
        if set.len() <= set.width() {
            return Self::span(Gram::of_rows(set.features(), precision)?);
        }
        let features = set.features().to_dtype(DType::F64)?;
        let ones = Tensor::ones((set.len(), 1), DType::F64, &Device::Cpu)?;
        let rows = Tensor::cat(&[features, ones], 1)?;
        Self::new(Gram::of_columns(&rows)?, Some(rows))
    }

    /// The span of rows with these scalar products.
    pub(super) fn span(gram: Gram) -> Result<Self> {
        Self::new(gram, None)
    }

    fn new(gram: Gram, rows: Option<Tensor>) -> Result<Self> {
        let scale = gram.mean_diagonal();
        Ok(Space { gram: gram.into_tensor()?, rows, scale })
    }

    /// Whether weights are combinations of rows.
    pub(super) fn is_span(&self) -> bool {
        self.rows.is_none()
    }

    /// Coordinates of a weight.
    pub(super) fn dim(&self) -> Result<usize> {
        Ok(self.gram.dim(0)?)
    }

    /// X w, [n, k].
    pub(super) fn image(&self, u: &Columns) -> Result<Columns> {
        Columns::of(&self.rows.as_ref().unwrap_or(&self.gram).matmul(&u.tensor()?)?)
    }

    /// The coordinates of sum_i s_i x_i, s [n, k].
    pub(super) fn pull(&self, s: Columns) -> Result<Columns> {
        match &self.rows {
            None => Ok(s),
            Some(rows) => Columns::of(&rows.t()?.matmul(&s.tensor()?)?),
        }
    }

    /// The scalar products of weights with coordinates u and v, the second with its image X w.
    pub(super) fn dots(&self, u: &Columns, v: &Columns, image: &Columns) -> Vec<f64> {
        if self.is_span() { u.dots(image) } else { u.dots(v) }
    }

    /// Of a span, the scalar products of some rows, [m, m].
    pub(super) fn products(&self, rows: &[u32]) -> Result<Tensor> {
        let rows = Tensor::from_slice(rows, rows.len(), &Device::Cpu)?;
        Ok(self.gram.index_select(&rows, 0)?.index_select(&rows, 1)?)
    }

    /// The factored curvature for one C.
    ///
    /// # Errors
    /// When products of features overflow.
    pub(super) fn curvature(&self, c: f64) -> Result<Curvature<'_>> {
        let twice_c = 2.0 * c;
        let factor = Cholesky::of_shifted(&self.gram, twice_c)?.ok_or(Error::FeaturesOverflow { c })?;
        Ok(Curvature { space: self, factor, twice_c })
    }
}

impl Curvature<'_> {
    /// The z with (I + 2 C X^T X) z = r, and its image X z.
    pub(super) fn solve(&self, r: &Columns) -> Result<(Columns, Columns)> {
        let z = self.factor.solve(r);
        let image = match self.space.is_span() && self.twice_c * self.space.scale > WEIGHTY {
            // Coordinates satisfy z + 2 C X X^T z = r: the image is there already.
            true => r.zip(&z, |r, z| (r - z) / self.twice_c),
            false => self.space.image(&z)?,
        };
        Ok((z, image))
    }
}
