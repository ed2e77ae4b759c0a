use candle_core::{Device, Tensor};

use super::columns::Columns;
use crate::Result;

/// The factor L of a positive definite matrix L L^T, block column by block column.
pub(super) struct Cholesky {
    blocks: Vec<Block>,
}

/// A block column of L.
struct Block {
    /// The inverse of the block on the diagonal, [b, b].
    inverse: Tensor,
    /// What lies below it, [m, b]; nothing in the last block column.
    below: Option<Tensor>,
}

/// Columns that are factored one by one; everything else is products of matrices.
const BLOCK: usize = 192;

impl Cholesky {
    /// The factor of `scale` `matrix` + I, both [n, n] in f64; `None` when the sum is not positive definite, which of a
    /// Gram matrix means that its numbers overflow.
    pub(super) fn of_shifted(matrix: &Tensor, scale: f64) -> Result<Option<Self>> {
        let n = matrix.dim(0)?;
        let mut blocks: Vec<Block> = Vec::with_capacity(n.div_ceil(BLOCK));
        for first in (0..n).step_by(BLOCK) {
            let (m, b) = (n - first, BLOCK.min(n - first));
            let mut column = (matrix.narrow(0, first, m)?.narrow(1, first, b)? * scale)?; // [m, b]
            for (number, block) in blocks.iter().enumerate() {
                let Some(below) = &block.below else { continue };
                let rows = below.narrow(0, first - (number + 1) * BLOCK, m)?;
                column = (column - rows.matmul(&rows.narrow(0, 0, b)?.t()?)?)?;
            }
            let diagonal = column.narrow(0, 0, b)?.flatten_all()?.to_vec1()?;
            let Some(inverse) = inverse_of_factor(diagonal, b) else { return Ok(None) };
            let inverse = Tensor::from_vec(inverse, (b, b), &Device::Cpu)?;
            let below = (m > b).then(|| column.narrow(0, b, m - b)?.matmul(&inverse.t()?)).transpose()?;
            blocks.push(Block { inverse, below });
        }
        Ok(Some(Cholesky { blocks }))
    }

    /// The solution z of (matrix + I) z = r for every column.
    pub(super) fn solve(&self, r: &Columns) -> Result<Columns> {
        let (mut rest, mut parts) = (r.tensor()?, Vec::with_capacity(self.blocks.len()));
        for Block { inverse, below } in &self.blocks {
            let b = inverse.dim(0)?;
            let part = inverse.matmul(&rest.narrow(0, 0, b)?)?;
            if let Some(below) = below {
                rest = (rest.narrow(0, b, below.dim(0)?)? - below.matmul(&part)?)?;
            }
            parts.push(part);
        }
        let mut solved: Option<Tensor> = None; // [rows below, k]
        for (Block { inverse, below }, part) in self.blocks.iter().zip(parts).rev() {
            let part = match (below, &solved) {
                (Some(below), Some(solved)) => (part - below.t()?.matmul(solved)?)?,
                _ => part,
            };
            let part = inverse.t()?.matmul(&part)?;
            solved = Some(match solved {
                Some(solved) => Tensor::cat(&[part, solved], 0)?,
                None => part,
            });
        }
        solved.as_ref().map_or_else(|| Ok(r.clone()), Columns::of)
    }
}

/// The inverse of the lower factor of the symmetric `a` + I, [b, b] row by row.
fn inverse_of_factor(mut a: Vec<f64>, b: usize) -> Option<Vec<f64>> {
    // Rows of the upper factor, which is the lower one's transpose: all inner loops go along rows.
    for j in 0..b {
        let (above, rest) = a.split_at_mut((j + 1) * b);
        let row = &mut above[j * b..];
        let pivot = row[j] + 1.0;
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        row[j] = pivot.sqrt();
        let diagonal = row[j];
        row[j + 1..].iter_mut().for_each(|x| *x /= diagonal);
        for (i, below) in (j + 1..).zip(rest.chunks_exact_mut(b)) {
            let factor = row[i];
            below[i..].iter_mut().zip(&row[i..]).for_each(|(to, x)| *to -= factor * x);
        }
    }
    let mut inverse = vec![0.0; b * b];
    for i in 0..b {
        let (done, here) = inverse.split_at_mut(i * b);
        let (row, diagonal) = (&mut here[..b], a[i * b + i]);
        for (j, above) in done.chunks_exact(b).enumerate() {
            let factor = a[j * b + i];
            row[..=j].iter_mut().zip(above).for_each(|(to, x)| *to -= factor * x);
        }
        row[..i].iter_mut().for_each(|x| *x /= diagonal);
        row[i] = 1.0 / diagonal;
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use mg_random::Key;

    use super::*;

    fn random(rows: usize, columns: usize, seed: u64) -> Tensor {
        let mut values = vec![0f32; rows * columns];
        Key::new(seed).fill_normal(&mut values);
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
    }

    #[test]
    fn a_solution_times_the_matrix_is_the_right_hand_side() {
        for n in [1, 7, BLOCK, BLOCK + 1, 2 * BLOCK + 50] {
            let x = random(n, 40, 1);
            let matrix = x.matmul(&x.t().unwrap()).unwrap();
            let r = Columns::of(&random(n, 3, 2)).unwrap();
            let z = Cholesky::of_shifted(&matrix, 0.5).unwrap().unwrap().solve(&r).unwrap();
            let again = ((matrix * 0.5).unwrap().matmul(&z.tensor().unwrap()).unwrap() + z.tensor().unwrap())
                .unwrap();
            for (a, b) in Columns::of(&again).unwrap().values.iter().zip(&r.values) {
                assert!((a - b).abs() < 1e-11, "{n} rows: {a} for {b}");
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_has_no_factor() {
        for value in [-2.0, f64::INFINITY, f64::NAN] {
            let matrix = Tensor::full(value, (2, 2), &Device::Cpu).unwrap();
            assert!(Cholesky::of_shifted(&matrix, 1.0).unwrap().is_none());
        }
    }
}
