use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::spectrum::Spectrum;
use super::{ConditionalGaussian, Law};
use crate::{Error, Result};

impl ConditionalGaussian {
    /// The law as named tensors, to be stored: the number `n-images`, i64 of shape (1), and `mean` [1, d] with `factor`
    /// [d, d] and `gain` [channels coarse^2, d], or with `spectrum` [channels, channels, side^2], f32.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let numbers = match &self.law {
            Law::Full { mean, factor, gain } => vec![("mean", mean), ("factor", factor), ("gain", gain)],
            Law::Stationary { mean, spectrum } => vec![("mean", mean), ("spectrum", spectrum.factors())],
        };
        let n_images = Tensor::new(&[self.n_images as i64], numbers[0].1.device())?;
        let numbers = numbers.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        Ok(numbers.chain([("n-images".to_owned(), n_images)]).collect())
    }

    /// The law that [`tensors`](ConditionalGaussian::tensors) gave, of images of `channels` channels and side `side` given
    /// those of side `coarse`; it samples the same bits.
    ///
    /// # Errors
    /// When a tensor is missing, has another type or shape, or holds a number that is not finite.
    pub fn from_tensors(
        tensors: &BTreeMap<String, Tensor>,
        channels: usize,
        (coarse, side): (usize, usize),
    ) -> Result<Self> {
        let (d, of_coarse) = (channels * side * side, channels * coarse * coarse);
        let find = |name: &str, shape: &[usize]| {
            let stored = tensors.get(name).ok_or_else(|| wrong(format!("no tensor {name:?}")))?;
            if stored.dtype() != DType::F32 || stored.dims() != shape {
                let (dtype, dims) = (stored.dtype(), stored.dims());
                return Err(wrong(format!("{name} is {dtype:?} {dims:?}, expected F32 {shape:?}")));
            }
            match stored.abs()?.max_all()?.to_scalar::<f32>()? {
                largest if largest.is_finite() => Ok(stored.clone()),
                largest => Err(wrong(format!("{name} holds {largest}"))),
            }
        };
        let mean = find("mean", &[1, d])?;
        let law = if tensors.contains_key("spectrum") {
            let spectrum = find("spectrum", &[channels, channels, side * side])?;
            Law::Stationary { mean, spectrum: Spectrum::of_factors(spectrum, side) }
        } else {
            let (factor, gain) = (find("factor", &[d, d])?, find("gain", &[of_coarse, d])?);
            Law::Full { mean, factor, gain }
        };
        let count = tensors.get("n-images").ok_or_else(|| wrong("no tensor \"n-images\"".into()))?;
        let n_images = match count.to_vec1::<i64>() {
            Ok(count) if count.len() == 1 && count[0] > 0 => count[0] as u64,
            _ => return Err(wrong("n-images is no positive i64 of shape [1]".into())),
        };
        Ok(ConditionalGaussian { channels, coarse, side, n_images, law })
    }
}

fn wrong(reason: String) -> Error {
    Error::StoredGaussian { reason }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use mg_random::Key;

    use super::*;
    use crate::{Covariance, GaussianLearner, down};

    fn images() -> Tensor {
        let mut values = vec![0f32; 50 * 12];
        Key::new(2).fill_normal(&mut values);
        Tensor::from_vec(values, (50, 3, 2, 2), &Device::Cpu).unwrap()
    }

    #[test]
    fn a_stored_law_draws_the_same_bits_and_a_damaged_one_is_refused() {
        for covariance in [Covariance::Full, Covariance::Stationary] {
            let mut learner = GaussianLearner::new(3, 1, 2, covariance).unwrap();
            learner.observe(&images()).unwrap();
            let learned = learner.finish().unwrap();
            let tensors = learned.tensors().unwrap();
            let restored = ConditionalGaussian::from_tensors(&tensors, 3, (1, 2)).unwrap();
            let drawn = |gaussian: &ConditionalGaussian| {
                let y = gaussian.sample(&down(&images(), 1).unwrap(), Key::new(1)).unwrap();
                y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            assert_eq!(drawn(&restored), drawn(&learned));
            assert_eq!(restored.n_images(), 50);
            for name in tensors.keys() {
                let refused = |tensor: Option<Tensor>| {
                    let mut other = tensors.clone();
                    match tensor {
                        Some(tensor) => other.insert(name.clone(), tensor),
                        None => other.remove(name),
                    };
                    ConditionalGaussian::from_tensors(&other, 3, (1, 2)).is_err()
                };
                assert!(refused(None), "without {name}");
                assert!(refused(Some(tensors[name].to_dtype(DType::U8).unwrap())), "retyped {name}");
                assert!(refused(Some(tensors[name].unsqueeze(0).unwrap())), "reshaped {name}");
                if tensors[name].dtype() == DType::F32 {
                    assert!(refused(Some((&tensors[name] / 0.0).unwrap())), "infinite {name}");
                }
            }
            assert!(ConditionalGaussian::from_tensors(&tensors, 3, (1, 4)).is_err(), "of another grid");
        }
    }
}
