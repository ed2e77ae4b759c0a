use candle_core::Tensor;
use mg_energy::{Energy, ValueAndGrad};

use crate::{Chain, ChainKey, Error, Kernel, Result, StepInfo, Unadjusted};

/// A kernel that moves hidden pixels only and samples p(hidden | observed): recovery and inpainting
/// (section 6.4) are this decorator, not another sampler.
///
/// The inner kernel walks on the conditional energy U(observed pixels from the image, hidden pixels from x),
/// which is flat in the observed coordinates. There a Langevin or MALA proposal is a symmetric random walk
/// and a Hamiltonian trajectory a free flight: they cancel from every acceptance ratio, so `Observed` of an
/// exact kernel is exact. (Free flights never turn, so the trajectories of [`Nuts`](crate::Nuts) are as long as its
/// `max_depth` allows: choose a small one.) After each step the observed pixels are the image's again, bit for bit.
#[derive(Clone, Debug)]
pub struct Observed<K> {
    inner: K,
    observed: Tensor, // u8, [n, c, s, s], contiguous
    image: Tensor,    // [n, c, s, s]
}

impl<K> Observed<K> {
    /// `inner` on the hidden pixels of `image`, [n, c, s, s]. `observed` is 1 where a pixel is known and 0
    /// where it is hidden, of any type, and broadcasts to the image, as [n, 1, s, s] does. Whatever `image` holds in hidden pixels, a NaN included, is never read.
    ///
    /// # Errors
    /// When the mask does not broadcast to the image.
    pub fn new(inner: K, observed: &Tensor, image: &Tensor) -> Result<Self> {
        let fits = observed.rank() <= image.rank()
            && observed.dims().iter().rev().zip(image.dims().iter().rev()).all(|(m, i)| m == i || *m == 1);
        if !fits {
            let expected = format!("one that broadcasts to the image's {:?}", image.shape());
            return Err(Error::Shape {
                what: "the mask of observed pixels",
                got: observed.shape().clone(),
                expected,
            });
        }
        let observed = observed.ne(0.0)?.broadcast_as(image.shape())?.contiguous()?;
        Ok(Observed { inner, observed, image: image.detach() })
    }

    /// `x` with the observed pixels set to the image's.
    ///
    /// # Errors
    /// When `x` has another shape than the image.
    pub fn impose(&self, x: &Tensor) -> Result<Tensor> {
        if x.shape() != self.image.shape() {
            let expected = format!("the shape of the observed image, {:?}", self.image.shape());
            return Err(Error::Shape {
                what: "the position of the chains",
                got: x.shape().clone(),
                expected,
            });
        }
        Ok(self.observed.where_cond(&self.image, x)?)
    }
}

impl<K: Kernel> Kernel for Observed<K> {
    fn step(&self, energy: &dyn Energy, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        // A cached value is of the conditional energy already, which is the same before and after `impose`.
        let chain = self.moved(chain)?;
        let conditional = Conditional { energy, observed: &self.observed, image: &self.image };
        let (chain, info) = self.inner.step(&conditional, chain, key)?;
        Ok((self.moved(chain)?, info))
    }
}

impl<K> Observed<K> {
    fn moved(&self, chain: Chain) -> Result<Chain> {
        let x = self.impose(chain.x())?;
        match chain.value() {
            Some(value) => Chain::with_value(x, value.clone()),
            None => Chain::new(x),
        }
    }
}

impl<K: Unadjusted> Unadjusted for Observed<K> {}

/// U of the image with x in its hidden pixels, as a function of x; its gradient is 0 in observed pixels.
struct Conditional<'a> {
    energy: &'a dyn Energy,
    observed: &'a Tensor,
    image: &'a Tensor,
}

impl Energy for Conditional<'_> {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        self.energy.energy(&self.observed.where_cond(self.image, x)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let ValueAndGrad { energy, grad } =
            self.energy.value_and_grad(&self.observed.where_cond(self.image, x)?)?;
        let grad = self.observed.where_cond(&grad.zeros_like()?, &grad)?;
        Ok(ValueAndGrad { energy, grad })
    }

    /// Every chain has an image of its own.
    fn needs_all_chains(&self) -> bool {
        true
    }
}
