use mg_energy::Energy;

use crate::error::check;
use crate::metropolis::metropolis;
use crate::phase::{Phase, hamiltonian_change};
use crate::rows::{add_scaled, inner};
use crate::{Chain, ChainKey, Kernel, Result, StepInfo};

/// Hamiltonian Monte Carlo: a fresh momentum p ~ N(0, temperature I), `n_leapfrog` steps of the leapfrog
/// integrator, and an accept-reject step per chain on the change of H = U + |p|^2 / 2, which leaves
/// exp(-U / temperature) invariant exactly (named at the end of section 4.1; Neal, "MCMC using Hamiltonian
/// dynamics", 2011).
///
/// A step costs `n_leapfrog` gradients, and one more for the first. With one leapfrog step this is
/// [`Mala`](crate::Mala) with a factor step_size^2 / 2 of the gradient. A trajectory as long as a period of
/// the target returns to where it began: choose step_size x n_leapfrog below a quarter of the longest period.
///
/// Exact only if the energies of a batch are independent: a net with batch statistics couples its chains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hmc {
    /// Time step of the integrator, delta of equation (6); positive.
    pub step_size: f64,
    /// Leapfrog steps of a trajectory; at least 1.
    pub n_leapfrog: usize,
    /// Temperature of the target; 1 for the model itself; positive.
    pub temperature: f64,
}

impl Hmc {
    /// Follows the leapfrog integrator for `n_leapfrog` steps.
    fn trajectory(self, energy: &dyn Energy, start: Phase) -> Result<Phase> {
        let Phase { mut x, mut value, momentum } = start;
        let mut momentum = add_scaled(&momentum, -0.5 * self.step_size, &value.grad)?;
        for step in 1..=self.n_leapfrog {
            let drifted = add_scaled(&x, self.step_size, &momentum)?;
            (x, value) = Chain::new(drifted)?.evaluate(energy)?;
            let kick = if step == self.n_leapfrog { 0.5 } else { 1.0 };
            momentum = add_scaled(&momentum, -kick * self.step_size, &value.grad)?;
        }
        Ok(Phase { x, value, momentum })
    }
}

impl Kernel for Hmc {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        check("step_size", self.step_size, self.step_size > 0.0, "finite and positive")?;
        check("temperature", self.temperature, self.temperature > 0.0, "finite and positive")?;
        check("n_leapfrog", self.n_leapfrog as f64, self.n_leapfrog > 0, "at least 1")?;
        let (x, value) = chain.evaluate(energy)?;
        let momentum = (key.named("noise").normal_like(&x)? * self.temperature.sqrt())?;
        let start = Phase { x, value, momentum };
        let end = self.trajectory(energy, start.clone())?;
        let log_ratio = (hamiltonian_change(&start, &end)? / self.temperature)?;
        let (here, there) = ((start.x, start.value), (end.x, end.value));
        let (energy, grad_norm) = (here.1.energy.clone(), inner(&here.1.grad, &here.1.grad)?.sqrt()?);
        let (chain, acceptance) = metropolis(&log_ratio, here, there, key.named("accept"))?;
        Ok((chain, StepInfo { energy, grad_norm, acceptance: Some(acceptance), diverged: None }))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use mg_energy::toy::DoubleWell;
    use mg_random::Key;

    use super::*;

    const WELL: DoubleWell = DoubleWell { temperature: 0.3 };

    fn start() -> Result<Phase> {
        let zeros = Tensor::zeros((200, 3), DType::F64, &Device::Cpu)?;
        let noise = |seed| ChainKey::from(Key::new(seed)).normal_like(&zeros);
        let (x, momentum) = (noise(1)?, noise(2)?);
        Ok(Phase { value: WELL.value_and_grad(&x)?, x, momentum })
    }

    fn greatest(x: &Tensor) -> Result<f64> {
        Ok(x.abs()?.flatten_all()?.max(0)?.to_scalar()?)
    }

    #[test]
    fn a_trajectory_run_backwards_returns_to_its_start() -> Result<()> {
        let hmc = Hmc { step_size: 0.1, n_leapfrog: 12, temperature: 1.0 };
        let there = hmc.trajectory(&WELL, start()?)?;
        assert!(greatest(&(&there.x - start()?.x)?)? > 0.5);
        let back = hmc.trajectory(&WELL, Phase { momentum: there.momentum.neg()?, ..there })?;
        assert!(greatest(&(back.x - start()?.x)?)? < 1e-9);
        assert!(greatest(&(back.momentum + start()?.momentum)?)? < 1e-9);
        Ok(())
    }

    #[test]
    fn the_energy_error_of_a_trajectory_is_of_second_order() -> Result<()> {
        let error = |step_size: f64, n_leapfrog: usize| -> Result<f64> {
            let hmc = Hmc { step_size, n_leapfrog, temperature: 1.0 };
            let end = hmc.trajectory(&WELL, start()?)?;
            Ok(hamiltonian_change(&end, &start()?)?.abs()?.mean_all()?.to_scalar()?)
        };
        let (coarse, fine) = (error(0.02, 25)?, error(0.01, 50)?);
        assert!(
            coarse > 1e-5 && (coarse / fine - 4.0).abs() < 0.1,
            "{coarse} at a step, {fine} at half of it"
        );
        Ok(())
    }
}
