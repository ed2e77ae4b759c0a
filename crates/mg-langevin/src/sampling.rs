use candle_core::{DType, Device, Shape, Tensor};
use mg_energy::Energy;
use mg_random::Key;

use crate::error::check;
use crate::{Adaptable, ChainKey, Draws, Error, Result, Warmup};

/// Several chains, warmed up and kept: what one does to sample a target, with numbers that suit most.
///
/// ```
/// use mg_energy::toy::Normal;
/// use mg_langevin::{Nuts, Sampling};
/// use mg_random::Key;
///
/// let target = Normal { mean: 2.0, std_dev: 0.5 };
/// let sampling = Sampling { n_draws: 250, ..Sampling::default() };
/// let draws = sampling.run(&Nuts::default(), &target, 3, Key::new(1))?; // in three dimensions
/// assert_eq!(draws.x.dims(), [250, 4, 3]);
/// let summary = draws.summary()?; // println!("{summary}")
/// assert!((summary.coordinates[0].mean - 2.0).abs() < 0.1);
/// # Ok::<(), mg_langevin::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Chains; at least 1, and several to see whether they agree.
    pub n_chains: usize,
    /// Steps that fit the kernel to its target and are not kept.
    pub warmup: Warmup,
    /// Positions of each chain that are kept; at least 1.
    pub n_draws: usize,
    /// Steps from one that is kept to the next; at least 1.
    pub thin: usize,
    /// Standard deviation of the normal law around 0 that chains begin at draws from.
    pub spread: f64,
}

impl Default for Sampling {
    /// 4 chains of 1000 draws, every step kept, after 500 steps of warm-up from standard normal numbers.
    fn default() -> Self {
        Sampling { n_chains: 4, warmup: Warmup::default(), n_draws: 1000, thin: 1, spread: 1.0 }
    }
}

impl Sampling {
    /// Samples `energy` on points of this shape, such as `2` or `(3, 8, 8)`, in double precision on the CPU.
    ///
    /// # Errors
    /// When a number is out of range, or the kernel or the energy fails.
    pub fn run<K: Adaptable>(
        &self,
        kernel: &K,
        energy: &dyn Energy,
        shape: impl Into<Shape>,
        key: Key,
    ) -> Result<Draws> {
        check("n_chains", self.n_chains as f64, self.n_chains > 0, "at least 1")?;
        check("spread", self.spread, self.spread >= 0.0, "finite and not negative")?;
        let shape: Shape = shape.into();
        if shape.elem_count() == 0 {
            let expected = "at least one coordinate".to_string();
            return Err(Error::Shape { what: "a point of the target", got: shape, expected });
        }
        let dims = [&[self.n_chains], shape.dims()].concat();
        let origin = Tensor::zeros(dims, DType::F64, &Device::Cpu)?;
        let start = (ChainKey::from(key.named("start")).normal_like(&origin)? * self.spread)?;
        self.run_from(kernel, energy, &start, key)
    }

    /// Samples `energy` by chains that begin at `x`, [n, ...], in its type and on its device; `n_chains` and `spread` are
    /// not asked.
    ///
    /// # Errors
    /// As [`run`](Sampling::run).
    pub fn run_from<K: Adaptable>(
        &self,
        kernel: &K,
        energy: &dyn Energy,
        x: &Tensor,
        key: Key,
    ) -> Result<Draws> {
        let warm = self.warmup.run(kernel, energy, x, key.named("warm-up"))?;
        Draws::of(&warm.kernel, energy, &warm.x, (self.n_draws, self.thin), key.named("draws"))
    }
}
