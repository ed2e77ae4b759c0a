use candle_core::Tensor;
use mg_energy::{Energy, ValueAndGrad};

use crate::error::check;
use crate::metropolis::metropolis;
use crate::rows::{add_scaled, inner};
use crate::{Chain, ChainKey, Kernel, Result, StepInfo};

/// The Metropolis-adjusted Langevin algorithm: a Langevin proposal, accepted or rejected chain by chain so
/// that exp(-U / temperature) is left invariant exactly (section 4.1's "Metropolis-Hastings step"; Roberts
/// and Tweedie, Bernoulli 2(4), 1996).
///
/// With h = step_size, T = temperature and s = sqrt(2 h T), the proposal is x' = x - h dU/dx + s z, and the
/// logarithm of its acceptance ratio
///
/// (U(x) - U(x')) / T + log q(x | x') - log q(x' | x)
/// = (U(x) - U(x')) / T + c z.(g + g') - c^2 |g + g'|^2 / 2
///
/// where g, g' are the gradients and c = h / s: the right-hand side has no large terms to cancel in f32.
///
/// Exact only if the energies of a batch are independent: a net with batch statistics couples its chains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mala {
    /// Factor of the gradient, delta^2 / 2 of equation (6); positive.
    pub step_size: f64,
    /// Temperature of the target; 1 for the model itself; positive.
    pub temperature: f64,
}

impl Mala {
    /// Equation (6)'s proposal at temperature 1: step_size = delta^2 / 2.
    pub fn from_delta(delta: f64) -> Self {
        Mala { step_size: 0.5 * delta * delta, temperature: 1.0 }
    }

    /// Standard deviation of the proposal's noise, s = sqrt(2 step_size temperature).
    pub fn noise_scale(self) -> f64 {
        (2.0 * self.step_size * self.temperature).sqrt()
    }

    /// Logarithm of the acceptance ratio, `[n]`, for the noise `z` that led from `here` to `there`.
    fn log_ratio(self, here: &ValueAndGrad, there: &ValueAndGrad, z: &Tensor) -> Result<Tensor> {
        let c = self.step_size / self.noise_scale();
        let pull = add_scaled(&here.grad, 1.0, &there.grad)?;
        let descent = ((&here.energy - &there.energy)? * (1.0 / self.temperature))?;
        let densities = ((inner(z, &pull)? * c)? - (inner(&pull, &pull)? * (0.5 * c * c))?)?;
        Ok((descent + densities)?)
    }
}

impl Kernel for Mala {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        check("step_size", self.step_size, self.step_size > 0.0, "finite and positive")?;
        check("temperature", self.temperature, self.temperature > 0.0, "finite and positive")?;
        let (x, here) = chain.evaluate(energy)?;
        let z = key.named("noise").normal_like(&x)?;
        let drifted = add_scaled(&x, -self.step_size, &here.grad)?;
        let proposal = add_scaled(&drifted, self.noise_scale(), &z)?;
        let (proposal, there) = Chain::new(proposal)?.evaluate(energy)?;
        let log_ratio = self.log_ratio(&here, &there, &z)?;
        let (energy, grad_norm) = (here.energy.clone(), inner(&here.grad, &here.grad)?.sqrt()?);
        let (chain, acceptance) = metropolis(&log_ratio, (x, here), (proposal, there), key.named("accept"))?;
        Ok((chain, StepInfo { energy, grad_norm, acceptance: Some(acceptance), diverged: None }))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use mg_energy::toy::DoubleWell;

    use super::*;

    /// log pi(x) + log q(y | x) + log alpha(x -> y), up to a constant that does not depend on x and y.
    fn log_flow(mala: Mala, well: &DoubleWell, x: f64, y: f64) -> Result<f64> {
        let at = |x: f64| -> Result<ValueAndGrad> {
            Ok(well.value_and_grad(&Tensor::new(&[[x]], &Device::Cpu)?)?)
        };
        let (here, there) = (at(x)?, at(y)?);
        let scalar = |t: &Tensor| -> Result<f64> { Ok(t.flatten_all()?.to_vec1::<f64>()?[0]) };
        let z = (y - x + mala.step_size * scalar(&here.grad)?) / mala.noise_scale();
        let log_ratio = mala.log_ratio(&here, &there, &Tensor::new(&[[z]], &Device::Cpu)?)?;
        Ok(-scalar(&here.energy)? / mala.temperature - 0.5 * z * z + scalar(&log_ratio)?.min(0.0))
    }

    #[test]
    fn flows_between_any_two_states_balance() -> Result<()> {
        let well = DoubleWell { temperature: 0.3 };
        for mala in [Mala { step_size: 0.1, temperature: 1.0 }, Mala { step_size: 0.03, temperature: 2.5 }] {
            for (x, y) in [(-1.0, -0.8), (0.2, 0.9), (-1.1, 1.3), (0.5, -0.1), (2.0, 1.5)] {
                let (forth, back) = (log_flow(mala, &well, x, y)?, log_flow(mala, &well, y, x)?);
                assert!((forth - back).abs() < 1e-10, "{mala:?}, {x} and {y}: {forth} against {back}");
            }
        }
        Ok(())
    }
}
