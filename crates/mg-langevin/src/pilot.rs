use candle_core::Tensor;
use mg_random::Key;

use crate::ais::mean_acceptance;
use crate::error::check;
use crate::{Chain, Exact, GeometricPath, Result};

/// A trial climb of a ladder that finds a step size for every temperature.
///
/// The weights of an [`Ais`](crate::Ais) are unbiased only if its kernels do not depend on its own chains. So a
/// pilot climbs with other chains first: after each of `n_steps` steps per temperature the logarithm of the step
/// size moves by (acceptance - target), and what it is when the pilot leaves a temperature stays there for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pilot {
    /// Step size to begin with; positive.
    pub step_size: f64,
    /// Mean acceptance probability to keep to, between 0 and 1: 0.57 suits [`Mala`](crate::Mala) (Roberts,
    /// Rosenthal 1998), 0.65 [`Hmc`](crate::Hmc) (Beskos et al. 2013).
    pub target: f64,
    /// Steps at each temperature; at least 1.
    pub n_steps: usize,
    /// Largest step size: where nothing is rejected it would grow without end.
    pub max_step_size: f64,
}

impl Pilot {
    /// Step sizes for the temperatures between the ends of a path, for kernels that `kernel` makes of a step size.
    /// `like`, [n, ...], gives number, shape, type and device of the pilot's chains; 8 to 16 are enough.
    /// `done` hears the number of temperatures left behind.
    ///
    /// # Errors
    /// When a field is out of range, or the energy or a kernel fails.
    pub fn step_sizes<K: Exact>(
        &self,
        path: &GeometricPath<'_>,
        kernel: &dyn Fn(f64) -> K,
        like: &Tensor,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<f64>> {
        self.check()?;
        let key = key.named("pilot");
        let mut x = path.base.draw_like(key.named("base"), like)?;
        let mut step_size = self.step_size;
        let mut found = Vec::with_capacity(path.ladder.between().len());
        for (rung, &beta) in path.ladder.between().iter().enumerate() {
            let mut chain = Chain::new(x)?;
            for step in 0..self.n_steps {
                let key = key.fold(rung as u64).fold(step as u64);
                let (next, info) = path.at(beta).step(&kernel(step_size), chain, key.into())?;
                chain = next;
                let excess = mean_acceptance(info.acceptance.as_ref())? - self.target;
                step_size = (step_size * excess.exp()).min(self.max_step_size);
            }
            x = chain.into_x();
            found.push(step_size);
            done(rung + 1);
        }
        Ok(found)
    }

    fn check(&self) -> Result<()> {
        check("step_size", self.step_size, self.step_size > 0.0, "finite and positive")?;
        check("target", self.target, self.target > 0.0 && self.target < 1.0, "between 0 and 1")?;
        check("n_steps", self.n_steps as f64, self.n_steps > 0, "at least 1")?;
        check("max_step_size", self.max_step_size, self.max_step_size > 0.0, "finite and positive")
    }
}
