use candle_core::Tensor;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::prelude::default;
use faer::{Mat, MatMut, Par};

use super::columns::Columns;
use crate::Result;

/// The factor L of a positive definite matrix L L^T.
pub(super) struct Cholesky {
    /// L on and below the diagonal, [n, n]; what lies above it is not used.
    factor: Mat<f64>,
}

impl Cholesky {
    /// The factor of `scale` `matrix` + I, both [n, n] in f64; `None` when the sum is not positive definite, which of a
    /// Gram matrix means that its numbers overflow.
    pub(super) fn of_shifted(matrix: &Tensor, scale: f64) -> Result<Option<Self>> {
        let mut factor = shifted(matrix, scale)?;
        let n = factor.nrows();
        let mut room = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, default()));
        let stack = MemStack::new(&mut room);
        let done = cholesky_in_place(factor.as_mut(), default(), Par::Seq, stack, default());
        let is_finite = (0..n).all(|i| factor[(i, i)].is_finite());
        Ok((done.is_ok() && is_finite).then_some(Cholesky { factor }))
    }

    /// The solution z of (`scale` `matrix` + I) z = r for every column.
    pub(super) fn solve(&self, r: &Columns) -> Columns {
        let mut solution = r.clone();
        let (rows, width) = (r.rows(), r.width);
        let mut room = MemBuffer::new(solve_in_place_scratch::<f64>(rows, width, Par::Seq));
        let stack = MemStack::new(&mut room);
        let z = MatMut::from_row_major_slice_mut(&mut solution.values, rows, width);
        solve_in_place(self.factor.as_ref(), z, Par::Seq, stack);
        solution
    }
}

/// `scale` `matrix` + I of a symmetric matrix, on and below the diagonal.
fn shifted(matrix: &Tensor, scale: f64) -> Result<Mat<f64>> {
    let n = matrix.dim(0)?;
    let rows = matrix.flatten_all()?.to_vec1::<f64>()?;
    let mut sum = Mat::zeros(n, n);
    for (j, row) in rows.chunks_exact(n).enumerate() {
        for i in j..n {
            sum[(i, j)] = scale * row[i];
        }
        sum[(j, j)] += 1.0;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_random::Key;

    use super::*;

    fn random(rows: usize, columns: usize, seed: u64) -> Tensor {
        let mut values = vec![0f32; rows * columns];
        Key::new(seed).fill_normal(&mut values);
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
    }

    #[test]
    fn a_solution_times_the_matrix_is_the_right_hand_side() {
        for n in [1, 7, 64, 65, 450] {
            let x = random(n, 40, 1);
            let matrix = x.matmul(&x.t().unwrap()).unwrap();
            let r = Columns::of(&random(n, 3, 2)).unwrap();
            let z = Cholesky::of_shifted(&matrix, 0.5).unwrap().unwrap().solve(&r).tensor().unwrap();
            let again = ((matrix * 0.5).unwrap().matmul(&z).unwrap() + z).unwrap();
            for (a, b) in Columns::of(&again).unwrap().values.iter().zip(&r.values) {
                assert!((a - b).abs() < 1e-11, "{n} rows: {a} for {b}");
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_has_no_factor() {
        for n in [1, 2, 100] {
            for value in [-2.0, f64::INFINITY, f64::NAN] {
                let matrix = Tensor::full(value, (n, n), &Device::Cpu).unwrap();
                assert!(Cholesky::of_shifted(&matrix, 1.0).unwrap().is_none(), "{n} x {n} of {value}");
            }
        }
    }
}
