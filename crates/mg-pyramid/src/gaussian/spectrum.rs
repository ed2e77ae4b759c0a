use std::f64::consts::PI;

use candle_core::{D, DType, Device, Tensor};

use crate::scale::on_both_axes;
use crate::{Result, Upscale, down};

/// Share of the mean variance that is added to every variance of a spectrum.
const RIDGE: f64 = 1e-6;

/// The covariance of detail that is alike everywhere: at every pair of frequencies of the cosine transform a covariance of
/// the channels, and nothing between frequencies.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    /// Lower triangular factors L with L L^T the covariances, [channels, channels, side^2].
    factors: Tensor,
    side: usize,
}

impl Spectrum {
    /// From the covariances of the channels, [channels, channels, side^2] in f64.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn of_covariances(covariances: &Tensor, side: usize) -> Result<Self> {
        let (channels, _, frequencies) = covariances.dims3()?;
        let values = covariances.flatten_all()?.to_vec1::<f64>()?;
        let at = |i: usize, j: usize, f: usize| (i * channels + j) * frequencies + f;
        let variances = (0..channels).flat_map(|c| (0..frequencies).map(move |f| (c, f)));
        let total: f64 = variances.map(|(c, f)| values[at(c, c, f)]).sum();
        let ridge = RIDGE * (total / (channels * frequencies) as f64).max(RIDGE);
        let mut factors = vec![0f64; values.len()];
        for f in 0..frequencies {
            // Cholesky's factor, row by row.
            for (i, j) in (0..channels).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                let known: f64 = (0..j).map(|k| factors[at(i, k, f)] * factors[at(j, k, f)]).sum();
                let rest = values[at(i, j, f)] - known;
                factors[at(i, j, f)] =
                    if i == j { (rest + ridge).max(ridge).sqrt() } else { rest / factors[at(j, j, f)] };
            }
        }
        let factors = Tensor::from_vec(factors, covariances.shape(), &Device::Cpu)?;
        Ok(Spectrum { factors: factors.to_dtype(DType::F32)?, side })
    }

    /// From stored factors.
    pub(super) fn of_factors(factors: Tensor, side: usize) -> Self {
        Spectrum { factors, side }
    }

    pub(super) fn factors(&self) -> &Tensor {
        &self.factors
    }

    pub(super) fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Spectrum { factors: self.factors.to_device(device)?, side: self.side })
    }

    /// Detail made of standard normal numbers, [n, d] -> [n, d], that changes no mean on the grid of side `coarse`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn detail(&self, z: &Tensor, coarse: usize) -> Result<Tensor> {
        let (n, (channels, _, frequencies)) = (z.dim(0)?, self.factors.dims3()?);
        let z = z.reshape((n, 1, channels, frequencies))?;
        let factors = self.factors.to_device(z.device())?.unsqueeze(0)?; // [1, c, c, side^2]
        let mixed = z.broadcast_mul(&factors)?.sum(2)?; // [n, c, side^2]
        let mixed = mixed.reshape((n, channels, self.side, self.side))?;
        let detail = on_both_axes(&mixed, &transposed(&cosines(self.side), self.side), self.side)?;
        Ok(beyond(&detail, coarse)?.flatten_from(1)?)
    }
}

/// What images [n, c, s, s] have beyond the smoothest ones with the same means on the grid of side `coarse`.
///
/// # Errors
/// When `coarse` is 0 or above s.
pub(super) fn beyond(x: &Tensor, coarse: usize) -> Result<Tensor> {
    let side = x.dim(D::Minus1)?;
    Ok((x - Upscale::Smooth.apply(&down(x, coarse)?, side)?)?)
}

/// The cosine transform of both axes, [n, c, s, s] -> [n, c, s^2].
///
/// # Errors
/// When a tensor operation fails.
pub(super) fn cosine_transform(x: &Tensor) -> Result<Tensor> {
    let side = x.dim(D::Minus1)?;
    Ok(on_both_axes(x, &cosines(side), side)?.flatten_from(2)?)
}

/// The orthonormal cosine transform (DCT-II), [side, side] row by row.
fn cosines(side: usize) -> Vec<f64> {
    let value = |k: usize, i: usize| {
        let norm = if k == 0 { 1.0 } else { 2.0 } / side as f64;
        norm.sqrt() * (PI * (i as f64 + 0.5) * k as f64 / side as f64).cos()
    };
    (0..side).flat_map(|k| (0..side).map(move |i| value(k, i))).collect()
}

fn transposed(matrix: &[f64], side: usize) -> Vec<f64> {
    (0..side).flat_map(|i| (0..side).map(move |j| matrix[j * side + i])).collect()
}
