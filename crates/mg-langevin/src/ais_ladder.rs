use crate::error::check;
use crate::{Error, Result};

/// The powers 0 = b_0 < b_1 < ... < b_T = 1 of a geometric path from a reference to a model,
/// p_b(x) ~ exp(b f(x)) p0(x): inverse temperatures of the score, T of them above that of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder(
    /// Invariant: increasing from 0 to 1, at least these two.
    Vec<f64>,
);

impl Ladder {
    /// The ladder of these powers.
    ///
    /// # Errors
    /// When they do not increase from 0 to 1.
    pub fn new(betas: Vec<f64>) -> Result<Self> {
        let ends = betas.first() == Some(&0.0) && betas.last() == Some(&1.0);
        match betas
            .windows(2)
            .position(|pair| pair[1].partial_cmp(&pair[0]) != Some(std::cmp::Ordering::Greater))
        {
            Some(at) => Err(Error::Ladder { at: at + 1, value: betas[at + 1] }),
            None if !ends => {
                let value = betas.last().copied().unwrap_or(f64::NAN);
                Err(Error::Ladder { at: betas.len().saturating_sub(1), value })
            }
            None => Ok(Ladder(betas)),
        }
    }

    /// b_t = t / T.
    ///
    /// # Errors
    /// When T is 0.
    pub fn even(n_temperatures: usize) -> Result<Self> {
        Self::power(n_temperatures, 1.0)
    }

    /// b_t = (t / T)^exponent: exponents above 1 put more rungs near the reference, where a steep score changes
    /// the law fastest.
    ///
    /// # Errors
    /// When T is 0, the exponent is not positive, or so large that rungs coincide.
    pub fn power(n_temperatures: usize, exponent: f64) -> Result<Self> {
        check("n_temperatures", n_temperatures as f64, n_temperatures > 0, "at least 1")?;
        check("exponent", exponent, exponent > 0.0, "finite and positive")?;
        let beta = |t: usize| (t as f64 / n_temperatures as f64).powf(exponent);
        Self::new((0..=n_temperatures).map(beta).collect())
    }

    /// b_0, ..., b_T.
    pub fn betas(&self) -> &[f64] {
        &self.0
    }

    /// T: temperatures above that of the reference, the model's own included.
    pub fn n_temperatures(&self) -> usize {
        self.0.len() - 1
    }

    /// b_1, ..., b_(T-1): the laws between reference and model.
    pub fn between(&self) -> &[f64] {
        &self.0[1..self.0.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_go_up_from_the_reference_to_the_model() {
        assert_eq!(Ladder::even(4).unwrap().betas(), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(Ladder::power(2, 2.0).unwrap().betas(), [0.0, 0.25, 1.0]);
        assert_eq!(Ladder::even(1).unwrap().between(), [0.0; 0]);
        assert_eq!(Ladder::even(3).unwrap().n_temperatures(), 3);
    }

    #[test]
    fn what_is_no_ladder_is_refused() {
        for betas in [vec![], vec![0.0], vec![0.0, 0.5], vec![0.1, 1.0], vec![0.0, 0.5, 0.5, 1.0]] {
            assert!(Ladder::new(betas.clone()).is_err(), "{betas:?}");
        }
        let error = Ladder::new(vec![0.0, f64::NAN, 1.0]).unwrap_err();
        assert!(matches!(error, Error::Ladder { at: 1, .. }), "{error}");
        assert!(
            Ladder::even(0).is_err() && Ladder::power(3, -1.0).is_err() && Ladder::power(3, 1e4).is_err()
        );
    }
}
