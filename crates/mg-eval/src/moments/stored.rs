use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::Moments;
use crate::{Error, Result};

const N: &str = "n";
const MEAN: &str = "mean";
const SCATTER: &str = "scatter";

impl Moments {
    /// The moments as named tensors, to be stored: `n`, i64 of shape (1), `mean` of shape (d) and `scatter`
    /// [d, d], the covariance times n - 1, both f64.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let (d, cpu) = (self.dim(), &Device::Cpu);
        Ok(BTreeMap::from([
            (N.to_owned(), Tensor::new(&[self.n as i64], cpu)?),
            (MEAN.to_owned(), Tensor::from_slice(&self.mean, d, cpu)?),
            (SCATTER.to_owned(), Tensor::from_slice(&self.scatter, (d, d), cpu)?),
        ]))
    }

    /// The moments that [`tensors`](Moments::tensors) gave, to the bit.
    ///
    /// # Errors
    /// When a tensor is missing, has another type or shape, or holds values that no set's moments have.
    pub fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let n = get(tensors, N, DType::I64, &[1])?.to_vec1::<i64>()?[0];
        let n = u64::try_from(n).map_err(|_| wrong(format!("n is {n}")))?;
        let d = tensors.get(MEAN).map_or(0, Tensor::elem_count);
        let mean = get(tensors, MEAN, DType::F64, &[d])?.to_vec1::<f64>()?;
        let scatter = get(tensors, SCATTER, DType::F64, &[d, d])?.flatten_all()?.to_vec1::<f64>()?;
        if let Some(value) = mean.iter().chain(&scatter).find(|value| !value.is_finite()) {
            return Err(wrong(format!("a value is {value}")));
        }
        let mirrored = |i: usize, j: usize| scatter[i * d + j] == scatter[j * d + i];
        if let Some(i) = (0..d).find(|&i| scatter[i * d + i] < 0.0 || !(0..i).all(|j| mirrored(i, j))) {
            return Err(wrong(format!(
                "the scatter is not symmetric, or negative on its diagonal, in row {i}"
            )));
        }
        Ok(Moments { n, mean, scatter })
    }
}

fn get<'a>(
    tensors: &'a BTreeMap<String, Tensor>,
    name: &str,
    dtype: DType,
    shape: &[usize],
) -> Result<&'a Tensor> {
    let stored = tensors.get(name).ok_or_else(|| wrong(format!("no tensor {name:?}")))?;
    if stored.dtype() == dtype && stored.dims() == shape {
        return Ok(stored);
    }
    let (got_dtype, got) = (stored.dtype(), stored.dims());
    Err(wrong(format!("{name} is {got_dtype:?} {got:?}, expected {dtype:?} {shape:?}")))
}

fn wrong(reason: String) -> Error {
    Error::StoredMoments { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::tests::normal;

    #[test]
    fn stored_moments_are_the_same_bits() {
        for moments in [Moments::of(&normal(20, 5, 1)).unwrap(), Moments::new(3)] {
            assert_eq!(Moments::from_tensors(&moments.tensors().unwrap()).unwrap(), moments);
        }
    }

    #[test]
    fn what_no_set_has_is_refused() {
        let good = Moments::of(&normal(20, 2, 1)).unwrap().tensors().unwrap();
        let message = |name: &str, tensor: Option<Tensor>| {
            let mut bad = good.clone();
            match tensor {
                Some(tensor) => bad.insert(name.to_owned(), tensor),
                None => bad.remove(name),
            };
            Moments::from_tensors(&bad).unwrap_err().to_string()
        };
        let cpu = &Device::Cpu;
        for name in [N, MEAN, SCATTER] {
            assert!(message(name, None).contains(name));
            let other = Tensor::zeros(7, DType::F32, cpu).unwrap();
            assert!(message(name, Some(other)).contains("F32"), "{name}");
        }
        assert!(message(N, Some(Tensor::new(&[-4i64], cpu).unwrap())).contains("-4"));
        assert!(message(MEAN, Some(Tensor::new(&[0.0, f64::NAN], cpu).unwrap())).contains("NaN"));
        for scatter in [[[1.0, 2.0], [2.5, 9.0]], [[1.0, 0.0], [0.0, -1.0]]] {
            assert!(message(SCATTER, Some(Tensor::new(&scatter, cpu).unwrap())).contains("row 1"));
        }
    }
}
