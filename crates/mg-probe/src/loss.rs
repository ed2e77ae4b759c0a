use candle_core::{DType, Device, Tensor, Var};

use crate::{Error, Result};

/// Mean cross entropy of the softmax of `scores` [n, K] and `labels` in 0..K, -1/n sum_i log Pr(label_i | x_i), and its
/// gradient, [n, K]. Computed in f64 on the CPU.
pub(crate) fn cross_entropy(scores: &Tensor, labels: &[u32]) -> Result<(f64, Tensor)> {
    let precise = Var::from_tensor(&scores.to_device(&Device::Cpu)?.to_dtype(DType::F64)?)?;
    let labels = Tensor::new(labels, &Device::Cpu)?;
    let loss = candle_nn::loss::cross_entropy(precise.as_tensor(), &labels)?;
    let grad = loss.backward()?.remove(precise.as_tensor()).map_or_else(|| precise.zeros_like(), Ok)?;
    // A maximum skips what is not a number, and a softmax a score of minus infinity; the loss must not.
    let broken = precise.flatten_all()?.to_vec1::<f64>()?.iter().any(|score| !score.is_finite());
    let loss = if broken { f64::NAN } else { loss.to_scalar()? };
    Ok((loss, grad.to_dtype(scores.dtype())?.to_device(scores.device())?))
}

/// The class of largest score of every row of `scores` [n, K]; the first of several.
///
/// # Errors
/// When a score is not finite.
pub(crate) fn classify(scores: &Tensor) -> Result<Vec<u32>> {
    let rows = scores.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let best = |(image, row): (usize, &Vec<f64>)| {
        if row.iter().any(|score| !score.is_finite()) {
            return Err(Error::Scores { image, scores: row.clone() });
        }
        let first_largest = |best: usize, k: usize| if row[k] > row[best] { k } else { best };
        Ok((0..row.len()).fold(0, first_largest) as u32)
    };
    rows.iter().enumerate().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_cost_the_logarithm_of_the_number_of_classes() {
        let scores = Tensor::full(700.0f32, (3, 10), &Device::Cpu).unwrap();
        let (loss, grad) = cross_entropy(&scores, &[0, 4, 9]).unwrap();
        assert!((loss - 10f64.ln()).abs() < 1e-12);
        let grad = grad.to_vec2::<f32>().unwrap();
        assert!((grad[1][4] - (0.1 - 1.0) / 3.0).abs() < 1e-7 && (grad[1][0] - 0.1 / 3.0).abs() < 1e-7);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let scores = vec![0.3, -1.2, 2.0, 40.0, 41.0, 38.5];
        let loss = |scores: &[f64]| {
            let scores = Tensor::from_slice(scores, (2, 3), &Device::Cpu).unwrap();
            cross_entropy(&scores, &[1, 2]).unwrap()
        };
        let grad = loss(&scores).1.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (i, g) in grad.iter().enumerate() {
            let moved = |h: f64| {
                let mut scores = scores.clone();
                scores[i] += h;
                loss(&scores).0
            };
            assert!(((moved(1e-5) - moved(-1e-5)) / 2e-5 - g).abs() < 1e-8, "score {i}");
        }
    }

    #[test]
    fn what_is_not_finite_is_never_a_class() {
        for bad in [f64::NAN, f64::INFINITY] {
            let scores = Tensor::new(&[[0.0, 1.0], [bad, 0.0]], &Device::Cpu).unwrap();
            assert!(matches!(classify(&scores), Err(Error::Scores { image: 1, .. })));
            assert!(cross_entropy(&scores, &[0, 0]).unwrap().0.is_nan());
        }
        let scores = Tensor::new(&[[0.0, 1.0, 1.0], [-3.0, -4.0, -5.0]], &Device::Cpu).unwrap();
        assert_eq!(classify(&scores).unwrap(), [1, 0]);
    }
}
