use candle_core::{D, Tensor};

use crate::{Error, Result};

/// The softmax classifier that K energy-based models are (equation 3):
/// Pr(k | x) = exp(f_k(x) + b_k) / sum_j exp(f_j(x) + b_j), where b_k = log(rho_k / rho_0) - log Z_k.
///
/// The biases hold the unknown log Z of the models, so they are fitted to labelled images; the scores stay as
/// they were learned. With a background category p0 the sum has one more term, exp(0).
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// b_k of every category.
    pub biases: Vec<f64>,
    /// Whether the background p0 (f = 0, b = 0) is a category: the last column of the posterior.
    pub background: bool,
}

/// Newton steps that certainly suffice: the likelihood is concave and the steps are damped.
const MAX_STEPS: usize = 100;

impl Classifier {
    /// Biases of largest likelihood for `scores` [n, K] = f_k(x_i) and `labels` in 0..K. Without a background
    /// the biases are determined up to a constant: their mean is zero. With one, the label K is the background's,
    /// and some images must have it: draws of p0, in the proportion rho_0.
    ///
    /// # Errors
    /// When shapes disagree, a label is no category, a score is not finite, or a category has no image.
    pub fn fit(scores: &Tensor, labels: &[usize], background: bool) -> Result<Self> {
        let scores = rows(scores)?;
        let classes = scores.first().map_or(0, Vec::len);
        check(&scores, labels, classes + usize::from(background && classes > 0))?;
        let mut fitted = Classifier { biases: vec![0.0; classes], background };
        let mut likelihood = fitted.log_likelihood(&scores, labels);
        for _ in 0..MAX_STEPS {
            let step = fitted.newton_step(&scores, labels)?;
            let mut size = 1.0;
            let improved = loop {
                let biases = fitted.biases.iter().zip(&step).map(|(b, s)| b + size * s).collect();
                let next = Classifier { biases, background };
                let value = next.log_likelihood(&scores, labels);
                if value >= likelihood {
                    let gain = value - likelihood;
                    (fitted, likelihood) = (next, value);
                    break gain > 1e-12 * likelihood.abs().max(1.0);
                }
                size *= 0.5;
                if size < 1e-10 {
                    break false;
                }
            };
            if !improved {
                break;
            }
        }
        if !background {
            let mean = fitted.biases.iter().sum::<f64>() / classes as f64;
            fitted.biases.iter_mut().for_each(|b| *b -= mean);
        }
        Ok(fitted)
    }

    /// log Pr(k | x) for `scores` [n, K]: [n, K], or [n, K + 1] with the background last.
    ///
    /// # Errors
    /// When `scores` has not one column per bias.
    pub fn log_posterior(&self, scores: &Tensor) -> Result<Tensor> {
        let (n, classes) = scores.dims2()?;
        if classes != self.biases.len() {
            let biases = self.biases.len();
            return Err(Error::Classifier(format!("scores of {classes} categories for {biases} biases")));
        }
        let biases = Tensor::new(self.biases.as_slice(), scores.device())?.to_dtype(scores.dtype())?;
        let mut logits = scores.broadcast_add(&biases)?;
        if self.background {
            let zero = Tensor::zeros((n, 1), scores.dtype(), scores.device())?;
            logits = Tensor::cat(&[&logits, &zero], 1)?;
        }
        Ok(logits.broadcast_sub(&logits.log_sum_exp(D::Minus1)?.unsqueeze(1)?)?)
    }

    /// The most probable category of every image, `[n]` of u32; K is the background.
    pub fn predict(&self, scores: &Tensor) -> Result<Tensor> {
        Ok(self.log_posterior(scores)?.argmax(D::Minus1)?)
    }

    fn posterior(&self, scores: &[f64]) -> (Vec<f64>, f64) {
        let logits: Vec<f64> = scores.iter().zip(&self.biases).map(|(f, b)| f + b).collect();
        let top = logits.iter().copied().fold(if self.background { 0.0 } else { f64::MIN }, f64::max);
        let background = if self.background { (-top).exp() } else { 0.0 };
        let sum = logits.iter().map(|l| (l - top).exp()).sum::<f64>() + background;
        (logits.iter().map(|l| (l - top).exp() / sum).collect(), top + sum.ln())
    }

    fn log_likelihood(&self, scores: &[Vec<f64>], labels: &[usize]) -> f64 {
        let logit = |row: &[f64], label: usize| {
            row.get(label).zip(self.biases.get(label)).map_or(0.0, |(f, b)| f + b)
        };
        let of = |(row, &label): (&Vec<f64>, &usize)| logit(row, label) - self.posterior(row).1;
        scores.iter().zip(labels).map(of).sum()
    }

    /// Solves (-Hessian) step = gradient. The Hessian is singular along (1, ..., 1) without a background: a small
    /// ridge keeps it solvable and moves nothing that matters.
    fn newton_step(&self, scores: &[Vec<f64>], labels: &[usize]) -> Result<Vec<f64>> {
        let k = self.biases.len();
        let (mut gradient, mut hessian) = (vec![0.0; k], vec![vec![0.0; k]; k]);
        for (row, &label) in scores.iter().zip(labels) {
            let (p, _) = self.posterior(row);
            if label < k {
                gradient[label] += 1.0;
            }
            for i in 0..k {
                gradient[i] -= p[i];
                hessian[i][i] += p[i];
                for j in 0..k {
                    hessian[i][j] -= p[i] * p[j];
                }
            }
        }
        let ridge = 1e-9 * scores.len() as f64;
        (0..k).for_each(|i| hessian[i][i] += ridge);
        solve(hessian, gradient)
    }
}

fn rows(scores: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(scores.to_dtype(candle_core::DType::F64)?.to_vec2()?)
}

fn check(scores: &[Vec<f64>], labels: &[usize], classes: usize) -> Result<()> {
    let fail = |message: String| Err(Error::Classifier(message));
    if scores.len() != labels.len() || classes == 0 {
        return fail(format!("{} rows of {classes} scores for {} labels", scores.len(), labels.len()));
    }
    if let Some(i) = labels.iter().position(|&label| label >= classes) {
        return fail(format!("label {} of image {i} is not below the {classes} categories", labels[i]));
    }
    if let Some(i) = scores.iter().position(|row| row.iter().any(|f| !f.is_finite())) {
        return fail(format!("a score of image {i} is not finite: {:?}", scores[i]));
    }
    match (0..classes).find(|class| !labels.contains(class)) {
        Some(class) => fail(format!("category {class} has no image: its bias would be minus infinity")),
        None => Ok(()),
    }
}

/// Gaussian elimination with partial pivoting.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Result<Vec<f64>> {
    let n = b.len();
    for col in 0..n {
        let pivot = (col..n).max_by(|&i, &j| a[i][col].abs().total_cmp(&a[j][col].abs())).unwrap_or(col);
        if a[pivot][col] == 0.0 {
            return Err(Error::Classifier(
                "the categories cannot be told apart: singular Hessian".to_string(),
            ));
        }
        a.swap(col, pivot);
        b.swap(col, pivot);
        for row in col + 1..n {
            let factor = a[row][col] / a[col][col];
            let (above, below) = a.split_at_mut(row);
            below[0][col..].iter_mut().zip(&above[col][col..]).for_each(|(x, y)| *x -= factor * y);
            b[row] -= factor * b[col];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|col| a[row][col] * b[col]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    Ok(b)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use mg_random::Key;

    use super::*;

    /// Scores of K normals N(m_k, 1) against the reference N(0, 1): f_k(x) = m_k x, log Z_k = m_k^2 / 2, so with
    /// equal priors the true biases are -m_k^2 / 2.
    #[test]
    fn fitted_biases_are_minus_log_partition_functions() {
        let means = [-1.5, 0.5, 2.0];
        let n = 30_000;
        let mut stream = Key::new(4).stream();
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        for i in 0..n {
            let x = means[i % 3] + f64::from(stream.normal());
            scores.extend(means.map(|m| m * x));
            labels.push(i % 3);
        }
        let scores = Tensor::from_vec(scores, (n, 3), &Device::Cpu).unwrap();
        let fitted = Classifier::fit(&scores, &labels, false).unwrap();
        let mean = means.iter().map(|m| -m * m / 2.0).sum::<f64>() / 3.0;
        for (bias, m) in fitted.biases.iter().zip(means) {
            assert!((bias - (-m * m / 2.0 - mean)).abs() < 0.05, "bias {bias} of mean {m}");
        }
    }

    #[test]
    fn posteriors_sum_to_one_with_and_without_background() {
        let scores = Tensor::new(&[[1000.0, -3.0], [0.1, 0.2]], &Device::Cpu).unwrap();
        for background in [false, true] {
            let classifier = Classifier { biases: vec![0.3, -0.2], background };
            let p = classifier.log_posterior(&scores).unwrap().exp().unwrap();
            assert_eq!(p.dims(), [2, 2 + usize::from(background)]);
            for total in p.sum(1).unwrap().to_vec1::<f64>().unwrap() {
                assert!((total - 1.0).abs() < 1e-12);
            }
        }
    }

    /// With draws of p0 among the images the biases are known absolutely, not up to a constant: -m^2 / 2 where every
    /// category is as frequent as the background.
    #[test]
    fn a_background_fixes_the_constant_of_the_biases() {
        let means = [-1.5, 0.5, 0.0]; // the last is the background
        let n = 30_000;
        let mut stream = Key::new(5).stream();
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        for i in 0..n {
            let x = means[i % 3] + f64::from(stream.normal());
            scores.extend([means[0] * x, means[1] * x]);
            labels.push(i % 3);
        }
        let scores = Tensor::from_vec(scores, (n, 2), &Device::Cpu).unwrap();
        let fitted = Classifier::fit(&scores, &labels, true).unwrap();
        for (bias, m) in fitted.biases.iter().zip(means) {
            assert!((bias + m * m / 2.0).abs() < 0.06, "bias {bias} of mean {m}");
        }
        assert!(
            Classifier::fit(&scores, &labels, false).is_err(),
            "the background's label without a background"
        );
        let without: Vec<usize> = labels.iter().map(|label| label % 2).collect();
        let error = Classifier::fit(&scores, &without, true).unwrap_err().to_string();
        assert!(error.contains("category 2 has no image"), "{error}");
    }

    /// Scores of nets learned apart may differ by any constants, and tell the categories apart without error.
    #[test]
    fn fitting_survives_scores_far_from_zero_and_from_each_other() {
        let rows =
            [[-900.0, -4000.0], [-910.0, -4200.0], [-1200.0, -3500.0], [-1250.0, -3505.0], [-9e4, -8e5]];
        let scores = Tensor::new(&rows, &Device::Cpu).unwrap();
        for background in [false, true] {
            let n = if background { 5 } else { 4 };
            let (scores, labels) = (scores.narrow(0, 0, n).unwrap(), &[0usize, 0, 1, 1, 2][..n]);
            let fitted = Classifier::fit(&scores, labels, background).unwrap();
            let predicted = fitted.predict(&scores).unwrap().to_vec1::<u32>().unwrap();
            assert_eq!(predicted, labels.iter().map(|&l| l as u32).collect::<Vec<_>>(), "{fitted:?}");
        }
    }

    #[test]
    fn misfits_are_errors() {
        let scores = Tensor::new(&[[1.0, 2.0], [0.0, f64::NAN]], &Device::Cpu).unwrap();
        assert!(Classifier::fit(&scores, &[0], false).is_err());
        assert!(Classifier::fit(&scores, &[0, 2], false).is_err());
        assert!(Classifier::fit(&scores, &[0, 1], false).is_err());
        assert!(Classifier::fit(&scores.narrow(0, 0, 1).unwrap(), &[0], false).is_err());
    }
}
