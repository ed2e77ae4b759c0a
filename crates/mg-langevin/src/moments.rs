use candle_core::{DType, Device, Tensor};

use crate::Result;

/// Mean and variance of every coordinate of chains, as steps bring more (Welford's recurrence over batches; Chan, Golub
/// and LeVeque, The American Statistician 37, 1983). In double precision in main memory.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    count: f64,
    mean: Tensor,    // [1, ...]
    squares: Tensor, // [1, ...]: sum of squared distances from the mean
}

impl Moments {
    /// Of the chains at `x`, [n, ...].
    pub(crate) fn of(x: &Tensor) -> Result<Self> {
        let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let mean = x.mean_keepdim(0)?;
        let squares = x.broadcast_sub(&mean)?.sqr()?.sum_keepdim(0)?;
        Ok(Moments { count: x.dim(0)? as f64, mean, squares })
    }

    /// Of all chains of both.
    pub(crate) fn with(&self, more: &Moments) -> Result<Self> {
        let count = self.count + more.count;
        let between = (&more.mean - &self.mean)?;
        let mean = (&self.mean + (&between * (more.count / count))?)?;
        let moved = (between.sqr()? * (self.count * more.count / count))?;
        Ok(Moments { count, mean, squares: ((&self.squares + &more.squares)? + moved)? })
    }

    /// Standard deviations, [1, ...], as far as the draws can be trusted: variances are drawn towards 10^-3 with the weight
    /// of five draws, as Stan does.
    pub(crate) fn scale(&self) -> Result<Tensor> {
        let n = self.count;
        let variance = (&self.squares / (n - 1.0).max(1.0))?;
        Ok(variance.affine(n / (n + 5.0), 1e-3 * 5.0 / (n + 5.0))?.sqrt()?)
    }
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    #[test]
    fn in_pieces_or_at_once_the_moments_are_the_same() -> Result<()> {
        let mut values = vec![0f32; 40 * 3];
        Key::new(1).fill_normal(&mut values);
        let x = (Tensor::from_vec(values, (40, 3), &Device::Cpu)? + 5.0)?;
        let whole = Moments::of(&x)?;
        let mut pieces = Moments::of(&x.narrow(0, 0, 1)?)?;
        for (from, len) in [(1, 1), (2, 17), (19, 21)] {
            pieces = pieces.with(&Moments::of(&x.narrow(0, from, len)?)?)?;
        }
        for (a, b) in [(&whole.mean, &pieces.mean), (&whole.squares, &pieces.squares)] {
            let apart: f64 = (a - b)?.abs()?.max_all()?.to_scalar()?;
            assert!(apart < 1e-9, "{apart}");
        }
        Ok(())
    }
}
