//! The no-U-turn sampler: trajectories of many chains that grow side by side.

mod some_chains;
mod state;
mod subtree;
mod trees;
mod walker;

use candle_core::{Device, Tensor};
use mg_energy::Energy;

use crate::error::check;
use crate::phase::Phase;
use crate::rows::inner;
use crate::{Chain, ChainKey, Kernel, Result, StepInfo};
use state::State;
use trees::Trees;

/// The no-U-turn sampler: Hamiltonian Monte Carlo whose trajectories are as long as they are useful (Hoffman and
/// Gelman, JMLR 15, 2014), in its multinomial form (Betancourt, "A conceptual introduction to Hamiltonian Monte
/// Carlo", 2017, appendix A).
///
/// A fresh momentum p ~ N(0, temperature I); then the trajectory doubles, into the future or the past by a fair coin,
/// until it or a half of a half of it turns: the sum of its momenta no longer points along the first or the last of
/// them (A.4.2). The sum is by the trapezoidal rule, both ends counting half, so that it is the way that was gone. Within a new half
/// a place is drawn by its weight exp(-H / temperature), and the chain moves over with probability min(1, weight of
/// the new half / weight of the old one) (A.3.2). This leaves exp(-U / temperature) invariant exactly, and reversibly.
///
/// Halves that turn inside, or on which the integrator loses more energy than `max_energy_error`, are left out and end
/// the trajectory; such a divergence shows in [`StepInfo::diverged`]. A chain whose energy is not finite stays where
/// it is.
///
/// All chains whose trajectories still grow take each leapfrog step together, in one evaluation of the energy; a step
/// costs as many evaluations as the longest trajectory has steps, at most 2^max_depth - 1. (An energy that needs all chains is given them all each time.) Decisions are made on the
/// host, so on a GPU every leapfrog step waits.
///
/// Exact only if the energies of a batch are independent: a net with batch statistics couples its chains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nuts {
    /// Time step of the integrator; positive. [`Warmup`](crate::Warmup) finds it.
    pub step_size: f64,
    /// Doublings of a trajectory, at most; from 1 to 24.
    pub max_depth: usize,
    /// The greatest loss (H - H(start)) / temperature of a place that is no divergence; positive.
    pub max_energy_error: f64,
    /// Temperature of the target; 1 for the model itself; positive.
    pub temperature: f64,
}

/// Doublings that no machine finishes.
const DEPTHS: std::ops::RangeInclusive<usize> = 1..=24;

impl Default for Nuts {
    /// A step of 0.1, to be adapted, up to 10 doublings, and 1000 as the greatest loss, as in Stan; temperature 1.
    fn default() -> Self {
        Nuts { step_size: 0.1, max_depth: 10, max_energy_error: 1000.0, temperature: 1.0 }
    }
}

impl Nuts {
    fn check(&self) -> Result<()> {
        check("step_size", self.step_size, self.step_size > 0.0, "finite and positive")?;
        check("max_depth", self.max_depth as f64, DEPTHS.contains(&self.max_depth), "from 1 to 24")?;
        let error = self.max_energy_error;
        check("max_energy_error", error, error > 0.0, "finite and positive")?;
        check("temperature", self.temperature, self.temperature > 0.0, "finite and positive")
    }
}

impl Kernel for Nuts {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        self.check()?;
        let (x, value) = chain.evaluate(energy)?;
        let momentum = (key.named("noise").normal_like(&x)? * self.temperature.sqrt())?;
        let (here, grad_norm) = (value.energy.clone(), inner(&value.grad, &value.grad)?.sqrt()?);
        let tree = key.named("tree");
        let state = |chain: usize| State::new(tree.key.fold((tree.first + chain) as u64).stream());
        let states = (0..x.dim(0)?).map(state).collect();
        let trees = Trees::new(self, energy, Phase { x, value, momentum }, states)?.grow()?;
        let report = |of: &dyn Fn(&State) -> f64| -> Result<Tensor> {
            let values: Vec<f64> = trees.states.iter().map(of).collect();
            Ok(Tensor::new(values, &Device::Cpu)?.to_dtype(here.dtype())?.to_device(here.device())?)
        };
        let acceptance = Some(report(&|state| state.mean_acceptance())?);
        let diverged = Some(report(&|state| f64::from(u8::from(state.diverged)))?);
        let chain = Chain::with_value(trees.place.x, trees.place.value)?;
        Ok((chain, StepInfo { energy: here, grad_norm, acceptance, diverged }))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use candle_core::DType;
    use mg_energy::ValueAndGrad;
    use mg_energy::toy::Normal;
    use mg_random::Key;

    use super::*;

    /// A normal law that remembers where it was asked.
    struct Watched(RefCell<Vec<Vec<f64>>>);

    const NORMAL: Normal = Normal { mean: 0.0, std_dev: 1.0 };

    impl Energy for Watched {
        fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
            NORMAL.energy(x)
        }

        fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
            self.0.borrow_mut().push(x.flatten_all()?.to_vec1()?);
            NORMAL.value_and_grad(x)
        }
    }

    /// From 1/2 in every coordinate: where to, the report, and where the energy was asked for.
    fn step(nuts: Nuts, shape: (usize, usize), seed: u64) -> Result<(Tensor, StepInfo, Vec<Vec<f64>>)> {
        let watched = Watched(RefCell::new(Vec::new()));
        let start = (Tensor::ones(shape, DType::F64, &Device::Cpu)? * 0.5)?;
        let (chain, info) = nuts.step(&watched, Chain::new(start)?, Key::new(seed).into())?;
        Ok((chain.into_x(), info, watched.0.into_inner()))
    }

    #[test]
    fn trajectories_end_when_they_turn_and_not_before() -> Result<()> {
        // In many dimensions a trajectory turns after half a period of 2 pi, 63 steps of 0.05: neither it nor a half of it
        // turns within 31 steps, and all that have taken 127 have turned.
        let nuts = Nuts { step_size: 0.05, ..Nuts::default() };
        for seed in 0..20 {
            let steps = step(nuts, (1, 60), seed)?.2.len() - 1;
            assert!((63..=127).contains(&steps), "{steps} steps");
        }
        Ok(())
    }

    #[test]
    fn chains_that_have_turned_are_asked_no_more() -> Result<()> {
        let (_, _, visited) = step(Nuts { step_size: 0.3, ..Nuts::default() }, (50, 1), 3)?;
        let sizes: Vec<usize> = visited.iter().map(Vec::len).collect();
        assert_eq!((sizes[0], sizes[1]), (50, 50));
        assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0]) && sizes[sizes.len() - 1] < 50, "{sizes:?}");
        Ok(())
    }

    #[test]
    fn a_chain_does_not_notice_the_chains_beside_it() -> Result<()> {
        let nuts = Nuts { step_size: 0.3, ..Nuts::default() };
        let (all, ..) = step(nuts, (9, 1), 5)?;
        let start = (Tensor::ones((2, 1), DType::F64, &Device::Cpu)? * 0.5)?;
        let key = ChainKey { key: Key::new(5), first: 6 };
        // Their momenta are drawn as those of chains 6 and 7.
        let (two, _) = nuts.step(&NORMAL, Chain::new(start)?, key)?;
        assert_eq!(two.x().to_vec2::<f64>()?, all.narrow(0, 6, 2)?.to_vec2::<f64>()?);
        Ok(())
    }

    #[test]
    fn a_step_beyond_stability_diverges_and_stays() -> Result<()> {
        let (x, info, visited) = step(Nuts { step_size: 1e3, ..Nuts::default() }, (3, 1), 1)?;
        assert_eq!(x.flatten_all()?.to_vec1::<f64>()?, [0.5; 3]);
        assert_eq!(info.diverged.map(|all| all.to_vec1::<f64>()).transpose()?, Some(vec![1.0; 3]));
        assert_eq!(info.acceptance.map(|all| all.to_vec1::<f64>()).transpose()?, Some(vec![0.0; 3]));
        assert_eq!(visited.len(), 2); // the start, and one place
        Ok(())
    }

    #[test]
    fn the_depth_bounds_the_cost() -> Result<()> {
        let (_, info, visited) = step(Nuts { step_size: 1e-4, max_depth: 5, ..Nuts::default() }, (2, 1), 1)?;
        assert_eq!(visited.len(), 1 + 31);
        assert_eq!(info.diverged.map(|all| all.to_vec1::<f64>()).transpose()?, Some(vec![0.0; 2]));
        Ok(())
    }
}
