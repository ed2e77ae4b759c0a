use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use mg_kernels::MapShape;
use mg_train::Result;

use crate::initial::is_gamma;
use crate::losses::softplus;

/// Gammas of norms that are `1 + softplus` of what is learned, and so above 1, as the code of Kim and Bengio (2016) has them.
#[derive(Debug)]
pub(crate) struct PositiveGammas {
    /// Where they lie among the parameters.
    ranges: Vec<Range<usize>>,
    /// All parameters as the net has them, `[p]`: gammas in place of what they are made of. Other parameters are the same.
    of_net: Var,
    /// The gammas by themselves, as a loss had them last.
    of_loss: Option<Var>,
}

impl PositiveGammas {
    /// For a net with these parameters, `[p]`, of which those that gammas are made of become 0.
    pub(crate) fn new(shape: &MapShape, parameters: &Var) -> Result<Self> {
        let gammas = shape.parameters().into_iter().filter(is_gamma);
        let ranges: Vec<Range<usize>> = gammas.map(|gamma| gamma.range).collect();
        for range in &ranges {
            parameters.slice_set(&part(parameters, range)?.zeros_like()?, 0, range.start)?;
        }
        Ok(PositiveGammas { ranges, of_net: Var::from_tensor(&parameters.detach())?, of_loss: None })
    }

    /// What the net computes with, made of what is learned; its gradient is taken on by [`chain`](Self::chain).
    pub(crate) fn of_net(&self, parameters: &Tensor) -> Result<&Var> {
        self.of_net.slice_set(&parameters.detach(), 0, 0)?;
        for range in &self.ranges {
            self.of_net.slice_set(&gamma(parameters, range)?, 0, range.start)?;
        }
        Ok(&self.of_net)
    }

    /// What a gradient of the net's parameters is kept under.
    pub(crate) fn leaf(&self) -> &Var {
        &self.of_net
    }

    /// All gammas, for a loss.
    pub(crate) fn of_loss(&mut self, parameters: &Tensor) -> Result<Tensor> {
        let parts = self.ranges.iter().map(|range| gamma(parameters, range)).collect::<Result<Vec<_>>>()?;
        let gammas = Var::from_tensor(&Tensor::cat(&parts, 0)?)?;
        Ok(self.of_loss.insert(gammas).as_tensor().clone())
    }

    /// From the gradient of what the net computes with to that of what is learned, in place; `gradients` may have one of gammas that
    /// a loss had.
    pub(crate) fn chain(
        &self,
        parameters: &Tensor,
        gradient: &Tensor,
        gradients: &mut GradStore,
    ) -> Result<()> {
        let of_loss = self.of_loss.as_ref().and_then(|gammas| gradients.remove(gammas));
        let mut first = 0;
        for range in &self.ranges {
            let mut own = part(gradient, range)?;
            if let Some(of_loss) = &of_loss {
                own = (own + of_loss.narrow(0, first, range.len())?)?;
            }
            first += range.len();
            // softplus' = 1 / (1 + e^-x).
            let slope = (part(parameters, range)?.neg()?.exp()? + 1.0)?.recip()?;
            gradient.slice_set(&(own * slope)?, 0, range.start)?;
        }
        Ok(())
    }
}

/// The gamma of a norm, `[channels]`.
fn gamma(parameters: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    Ok((softplus(&part(parameters, range)?)? + 1.0)?)
}

/// A copy of some parameters, outside candle's graph.
fn part(parameters: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    Ok(parameters.detach().narrow(0, range.start, range.len())?.copy()?)
}
