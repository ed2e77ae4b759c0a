use mg_energy::Energy;

use crate::error::check;
use crate::{Chain, ChainKey, Kernel, Result, StepInfo, Unadjusted, rows};

/// Langevin dynamics, equation (6): x <- x - step_size dU/dx + noise_scale z, with z ~ N(0, I).
///
/// Equation (6) has one number, delta = sqrt(delta tau), and couples the two: step_size = delta^2 / 2 and
/// noise_scale = delta ([`Langevin::from_delta`]). Practice decouples them (IGEBM, JEM and most code since):
/// a large step with little noise samples a colder law, exp(-U / T) with T = noise_scale^2 / (2 step_size)
/// ([`Langevin::temperature`]). Hence two fields; print the temperature when you report them.
///
/// There is no accept-reject step, so the law that is reached is biased: on N(0, s^2) its variance is not s^2
/// but s^2 / (1 - delta^2 / (4 s^2)). Both the reference's pull Y / sigma^2 and the score f are in U.
/// Steps are in the units of x; for images in [-1, 1] a delta in grey levels is divided by 127.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Langevin {
    /// Factor of the gradient, delta^2 / 2 in equation (6); not negative.
    pub step_size: f64,
    /// Standard deviation of the noise of one step, delta in equation (6); not negative, 0 for pure descent.
    pub noise_scale: f64,
}

impl Langevin {
    /// Equation (6) as it stands, at temperature 1: step_size = delta^2 / 2, noise_scale = delta.
    pub fn from_delta(delta: f64) -> Self {
        Langevin { step_size: 0.5 * delta * delta, noise_scale: delta }
    }

    /// The T for which small steps sample exp(-U / T): noise_scale^2 / (2 step_size). Infinite for a random
    /// walk, NaN when nothing moves.
    pub fn temperature(self) -> f64 {
        self.noise_scale * self.noise_scale / (2.0 * self.step_size)
    }

    /// The same descent without noise, for the final synthesis of a learned model (section 6.1; see
    /// [`climb`](crate::climb)).
    pub fn noise_free(self) -> Self {
        Langevin { noise_scale: 0.0, ..self }
    }
}

impl Kernel for Langevin {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        self.step_within(energy, chain, None, key)
    }
}

impl Unadjusted for Langevin {
    fn step_within(
        &self,
        energy: &dyn Energy,
        chain: Chain,
        bounds: Option<(f64, f64)>,
        key: ChainKey,
    ) -> Result<(Chain, StepInfo)> {
        check("step_size", self.step_size, self.step_size >= 0.0, "finite and not negative")?;
        check("noise_scale", self.noise_scale, self.noise_scale >= 0.0, "finite and not negative")?;
        let (x, value) = chain.evaluate(energy)?;
        let key = key.named("noise");
        let sizes = (self.step_size, self.noise_scale);
        let (x, grad_norm) = rows::descend(&x, &value.grad, sizes, bounds, key)?;
        let info = StepInfo { energy: value.energy, grad_norm, acceptance: None, diverged: None };
        Ok((Chain::new(x)?, info))
    }
}
