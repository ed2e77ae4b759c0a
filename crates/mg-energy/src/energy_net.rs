use candle_core::Tensor;

use crate::{ConvNet, Energy, Norm, Reference, Result, ValueAndGrad};

/// U(x) = -log p0(x) - f(x) (equation 2): a score net and its reference distribution.
#[derive(Debug)]
pub struct EnergyNet {
    /// The score f.
    pub net: ConvNet,
    /// The reference p0.
    pub reference: Reference,
}

impl EnergyNet {
    /// The energy of a score and a reference.
    pub fn new(net: ConvNet, reference: Reference) -> Self {
        EnergyNet { net, reference }
    }
}

impl Energy for EnergyNet {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        Ok((self.reference.energy(x)? - self.net.score(x)?)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> Result<ValueAndGrad> {
        let (score, grad) = self.net.score_and_scaled_grad(x, -1.0)?;
        match self.reference {
            Reference::Uniform => Ok(ValueAndGrad { energy: score.neg()?, grad }),
            Reference::Gaussian { sigma } => {
                let precision = 1.0 / (sigma * sigma);
                let (grad, norms) = mg_kernels::add_scaled_and_norms(&grad, precision, x)?;
                Ok(ValueAndGrad { energy: ((norms * (0.5 * precision))? - score)?, grad })
            }
        }
    }

    fn needs_all_chains(&self) -> bool {
        matches!(self.net.spec().norm, Norm::Batch)
    }
}
