use candle_core::{DType, Device, Tensor};

use crate::Result;

/// A small dense matrix in f64, row by row: a row for every image or coordinate, a column for every class.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) values: Vec<f64>,
    /// Number of columns, at least 1.
    pub(super) width: usize,
}

impl Columns {
    pub(super) fn zeros(rows: usize, width: usize) -> Self {
        Columns { values: vec![0.0; rows * width], width }
    }

    /// The values of a tensor [rows, width].
    pub(super) fn of(tensor: &Tensor) -> Result<Self> {
        let (_, width) = tensor.dims2()?;
        Ok(Columns { values: tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?, width })
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// As a tensor [rows, width].
    pub(super) fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, (self.rows(), self.width), &Device::Cpu)?)
    }

    /// Matrices of as many rows, side by side.
    pub(super) fn beside(parts: &[&Columns]) -> Self {
        let rows = parts.first().map_or(0, |part| part.rows());
        let width = parts.iter().map(|part| part.width).sum();
        let row = |i: usize| parts.iter().flat_map(move |p| &p.values[i * p.width..(i + 1) * p.width]);
        Columns { values: (0..rows).flat_map(row).copied().collect(), width }
    }

    /// One column.
    pub(super) fn column(&self, number: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().skip(number).step_by(self.width).copied()
    }

    /// Puts the values of a matrix of one column in place of one.
    pub(super) fn set_column(&mut self, number: usize, column: &Columns) {
        let places = self.values.iter_mut().skip(number).step_by(self.width);
        places.zip(&column.values).for_each(|(to, from)| *to = *from);
    }

    /// Element by element.
    pub(super) fn zip(&self, other: &Columns, f: impl Fn(f64, f64) -> f64) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| f(*a, *b)).collect();
        Columns { values, width: self.width }
    }

    /// Per column, the sum over rows of `f` of both elements.
    pub(super) fn sums(&self, other: &Columns, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        let rows = self.values.chunks_exact(self.width).zip(other.values.chunks_exact(self.width));
        for (a, b) in rows {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += f(*a, *b));
        }
        sums
    }

    /// Per column, the scalar product.
    pub(super) fn dots(&self, other: &Columns) -> Vec<f64> {
        self.sums(other, |a, b| a * b)
    }

    /// Adds `factors[k]` times column k of `other` to column k.
    pub(super) fn add_scaled(&mut self, factors: &[f64], other: &Columns) {
        let width = self.width;
        for (to, from) in self.values.chunks_exact_mut(width).zip(other.values.chunks_exact(width)) {
            to.iter_mut().zip(from.iter().zip(factors)).for_each(|(to, (from, factor))| *to += factor * from);
        }
    }

    /// Multiplies column k by `factors[k]`, then adds `other`.
    pub(super) fn scale_and_add(&mut self, factors: &[f64], other: &Columns) {
        let width = self.width;
        for (to, from) in self.values.chunks_exact_mut(width).zip(other.values.chunks_exact(width)) {
            to.iter_mut()
                .zip(from.iter().zip(factors))
                .for_each(|(to, (from, factor))| *to = factor * *to + from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_computed_by_hand() {
        let a = Columns { values: vec![1., 2., 3., 4.], width: 2 };
        let mut b = Columns { values: vec![1., 0., -1., 2.], width: 2 };
        assert_eq!(a.dots(&b), [-2., 8.]);
        assert_eq!(a.column(1).collect::<Vec<_>>(), [2., 4.]);
        assert_eq!(Columns::beside(&[&a, &b]).values, [1., 2., 1., 0., 3., 4., -1., 2.]);
        b.add_scaled(&[2., -1.], &a);
        assert_eq!(b.values, [3., -2., 5., -2.]);
        b.scale_and_add(&[0., 1.], &a);
        assert_eq!(b.values, [1., 0., 3., 2.]);
        b.set_column(1, &Columns { values: vec![7., 8.], width: 1 });
        assert_eq!(b.values, [1., 7., 3., 8.]);
        assert_eq!(Columns::of(&a.tensor().unwrap()).unwrap().values, a.values);
    }
}
