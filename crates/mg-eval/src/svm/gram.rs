use candle_core::{DType, Device, Tensor};

use crate::Result;

/// All scalar products of some vectors: a symmetric matrix [n, n] in f64.
pub(super) struct Gram {
    n: usize,
    values: Vec<f64>,
}

/// How scalar products of f32 features are summed; those of f64 always in f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// In f64.
    Double,
    /// In f32 over 512 features whose mean over the rows is subtracted, then in f64: half the time. Errors are near
    /// 1e-7 of a row's squared distance from the mean, and less between different rows.
    Single,
}

/// Features that are multiplied at a time: bounds the memory of their copies.
const CHUNK: usize = 2048;
/// Features whose products are summed in f32: few, because a CPU's kernel may sum them one after the other.
const SINGLE_CHUNK: usize = 512;
/// Rows of the result that are computed at a time, up to the diagonal.
const BLOCK: usize = 512;

impl Gram {
    /// Bytes that the matrix of `n` vectors takes.
    pub(super) fn bytes(n: usize) -> usize {
        n.saturating_mul(n).saturating_mul(size_of::<f64>())
    }

    /// x_i . x_j + 1 of the rows of `x` [n, d], each extended by a 1 for the intercept.
    pub(super) fn of_rows(x: &Tensor, precision: Precision) -> Result<Self> {
        if precision == Precision::Single && x.dtype() == DType::F32 {
            return Self::of_centred_rows(x);
        }
        let (n, d) = x.dims2()?;
        let mut gram = Gram { n, values: vec![1.0; n * n] };
        for first in (0..d).step_by(CHUNK) {
            gram.add(&x.narrow(1, first, CHUNK.min(d - first))?.contiguous()?.to_dtype(DType::F64)?)?;
        }
        gram.mirror();
        Ok(gram)
    }

    /// With x_i = m + y_i: y_i . y_j + y_i . m + y_j . m + m . m + 1.
    fn of_centred_rows(x: &Tensor) -> Result<Self> {
        let (n, d) = x.dims2()?;
        let mut gram = Gram { n, values: vec![0.0; n * n] };
        let mean = Tensor::full(1.0 / n as f32, (1, n), &Device::Cpu)?.matmul(x)?; // [1, d]
        let mut along = vec![0.0; n]; // y_i . m
        for first in (0..d).step_by(SINGLE_CHUNK) {
            let width = SINGLE_CHUNK.min(d - first);
            let mean = mean.narrow(1, first, width)?;
            let part = x.narrow(1, first, width)?.contiguous()?.broadcast_sub(&mean)?;
            let shares = part.matmul(&mean.t()?)?.flatten_all()?.to_vec1::<f32>()?;
            along.iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(share));
            gram.add(&part)?;
        }
        let mean = mean.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let constant = 1.0 + mean.iter().map(|m| m * m).sum::<f64>();
        for (i, row) in gram.values.chunks_exact_mut(n).enumerate() {
            let rest = along[i] + constant;
            row[..=i].iter_mut().zip(&along).for_each(|(value, along)| *value += along + rest);
        }
        gram.mirror();
        Ok(gram)
    }

    /// X^T X of `x` [n, d] in f64.
    pub(super) fn of_columns(x: &Tensor) -> Result<Self> {
        let (n, d) = x.dims2()?;
        let mut gram = Gram { n: d, values: vec![0.0; d * d] };
        for first in (0..n).step_by(CHUNK) {
            gram.add(&x.narrow(0, first, CHUNK.min(n - first))?.t()?)?;
        }
        gram.mirror();
        Ok(gram)
    }

    /// Adds the products of the rows of `part` [n, w], in f32 or f64, on and below the diagonal.
    fn add(&mut self, part: &Tensor) -> Result<()> {
        for first in (0..self.n).step_by(BLOCK) {
            let len = BLOCK.min(self.n - first);
            let upto = first + len;
            let product = part.narrow(0, first, len)?.matmul(&part.narrow(0, 0, upto)?.t()?)?; // [len, upto]
            let product = product.flatten_all()?;
            match product.dtype() {
                DType::F32 => self.add_rows(first, upto, &product.to_vec1::<f32>()?),
                _ => self.add_rows(first, upto, &product.to_vec1::<f64>()?),
            }
        }
        Ok(())
    }

    /// Adds rows of `width` values to the rows from `first` on.
    fn add_rows<T: Copy + Into<f64>>(&mut self, first: usize, width: usize, values: &[T]) {
        let rows = self.values[first * self.n..].chunks_exact_mut(self.n);
        for (to, row) in rows.zip(values.chunks_exact(width)) {
            to.iter_mut().zip(row).for_each(|(to, value)| *to += (*value).into());
        }
    }

    /// Copies what lies below the diagonal above it.
    fn mirror(&mut self) {
        for i in 0..self.n {
            for j in 0..i {
                self.values[j * self.n + i] = self.values[i * self.n + j];
            }
        }
    }

    /// The products of some of the vectors, in this order.
    pub(super) fn subset(&self, vectors: &[u32]) -> Self {
        let row = |i: &u32| {
            let row = &self.values[*i as usize * self.n..][..self.n];
            vectors.iter().map(move |j| row[*j as usize])
        };
        Gram { n: vectors.len(), values: vectors.iter().flat_map(row).collect() }
    }

    /// The mean squared length of the vectors.
    pub(super) fn mean_diagonal(&self) -> f64 {
        self.values.iter().step_by(self.n + 1).sum::<f64>() / self.n as f64
    }

    pub(super) fn into_tensor(self) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.values, (self.n, self.n), &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    #[test]
    fn products_are_those_of_whole_matrices() {
        let (n, d) = (BLOCK + 3, CHUNK + 5);
        let mut values = vec![0f32; n * d];
        Key::new(1).fill_normal(&mut values);
        let x = Tensor::from_vec(values, (n, d), &Device::Cpu).unwrap();
        let wide = x.to_dtype(DType::F64).unwrap();
        let distance = |a: Tensor, b: Tensor| {
            let gap = (a - b).unwrap().abs().unwrap().max_all().unwrap();
            gap.to_scalar::<f64>().unwrap()
        };
        let expected = (wide.matmul(&wide.t().unwrap()).unwrap() + 1.0).unwrap();
        let of_rows = |precision| Gram::of_rows(&x, precision).unwrap().into_tensor().unwrap();
        assert!(distance(of_rows(Precision::Double), expected.clone()) < 1e-9);
        let expected = wide.t().unwrap().matmul(&wide).unwrap();
        assert!(distance(Gram::of_columns(&wide).unwrap().into_tensor().unwrap(), expected) < 1e-9);
    }

    #[test]
    fn single_precision_is_exact_to_seven_digits_of_the_spread_whatever_the_mean() {
        let (n, d) = (70, 2 * CHUNK + 5);
        let mut values = vec![0f32; n * d];
        Key::new(2).fill_normal(&mut values);
        let spread = d as f64;
        for mean in [0.0, 1.0, 10.0] {
            // Quarters, so that the mean itself costs no digits.
            let values = values.iter().map(|v| (v * 4.0).round() / 4.0 + mean).collect();
            let x = Tensor::from_vec(values, (n, d), &Device::Cpu).unwrap();
            let of = |precision| Gram::of_rows(&x, precision).unwrap().values;
            let gaps =
                of(Precision::Single).into_iter().zip(of(Precision::Double)).map(|(a, b)| (a - b).abs());
            let gap = gaps.fold(0.0, f64::max);
            assert!(gap < 5e-7 * spread, "mean {mean}: {gap}");
        }
    }

    #[test]
    fn a_subset_has_the_products_of_its_vectors() {
        let gram = Gram { n: 3, values: (0..9).map(f64::from).collect() };
        assert_eq!(gram.subset(&[2, 0]).values, [8., 6., 2., 0.]);
    }
}
