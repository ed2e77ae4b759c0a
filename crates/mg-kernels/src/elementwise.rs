use candle_core::{D, DType, Tensor};
use rayon::prelude::*;

use crate::cpu_conv::with_elements;
use crate::element::Element;
use crate::{Error, Result};

/// `a + scale x` and the squared Euclidean norms of the rows of `x`, [n, ...]: what a Gaussian reference distribution
/// adds to a gradient and an energy, in one pass over main memory. Norms are summed in f64 on the CPU.
///
/// # Errors
/// Shapes or element types that differ.
pub fn add_scaled_and_norms(a: &Tensor, scale: f64, x: &Tensor) -> Result<(Tensor, Tensor)> {
    if a.dims() != x.dims() {
        let (expected, found) = (x.dims().to_vec(), a.dims().to_vec());
        return Err(Error::Shape { what: "the sum's first term".into(), expected, found });
    }
    if a.dtype() != x.dtype() {
        let what = "the sum's first term".into();
        return Err(Error::DType { what, expected: x.dtype(), found: a.dtype() });
    }
    match (x.device().is_cpu() && x.elem_count() > 0, x.dtype()) {
        (true, DType::F32) => fused::<f32>(a, scale, x),
        (true, DType::F64) => fused::<f64>(a, scale, x),
        _ => Ok(((a + (x * scale)?)?, x.sqr()?.flatten_from(1)?.sum(D::Minus1)?)),
    }
}

fn fused<E: Element>(a: &Tensor, scale: f64, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, scale) = (x.dim(0)?, E::of(scale));
    let row = x.elem_count() / n;
    let (mut sum, mut norms) = (vec![E::ZERO; n * row], vec![E::ZERO; n]);
    with_elements(a, |a: &[E]| {
        with_elements(x, |x: &[E]| {
            let rows = sum.par_chunks_mut(row).zip(&mut norms).zip(a.par_chunks(row).zip(x.par_chunks(row)));
            rows.for_each(|((sum, norm), (a, x))| {
                // Partial sums in several lanes, in a fixed order.
                let mut lanes = [0f64; 8];
                for (i, v) in x.iter().enumerate() {
                    lanes[i % 8] += v.to_f64() * v.to_f64();
                }
                *norm = E::of(lanes.iter().sum());
                sum.iter_mut().zip(a.iter().zip(x)).for_each(|(sum, (a, x))| *sum = *a + scale * *x);
            });
        })
    })??;
    Ok((Tensor::from_vec(sum, x.shape(), x.device())?, Tensor::from_vec(norms, n, x.device())?))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn sums_and_norms_are_those_of_tensor_operations() {
        for (dtype, limit) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
            let ramp = |factor: f64| {
                let values: Vec<f64> = (0..3 * 5 * 7).map(|i| (f64::from(i) * factor).sin()).collect();
                Tensor::from_vec(values, (3, 7, 5), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
            };
            let (a, x) = (ramp(0.3).transpose(1, 2).unwrap(), ramp(0.7).transpose(1, 2).unwrap());
            let (sum, norms) = add_scaled_and_norms(&a, -2.5, &x).unwrap();
            let expected = ((&a + (&x * -2.5).unwrap()).unwrap(), x.sqr().unwrap().sum((1, 2)).unwrap());
            for (found, expected) in [(sum, expected.0), (norms, expected.1)] {
                let gap = (found - &expected).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                assert!(gap.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap() < 10.0 * limit);
            }
        }
        let (a, x) = (
            Tensor::zeros((2, 3), DType::F32, &Device::Cpu),
            Tensor::zeros((2, 4), DType::F32, &Device::Cpu),
        );
        assert!(add_scaled_and_norms(&a.unwrap(), 1.0, &x.unwrap()).is_err());
    }
}
