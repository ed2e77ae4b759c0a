use candle_core::Tensor;
use mg_energy::ValueAndGrad;

use crate::rows::select;
use crate::{Chain, ChainKey, Result};

/// The accept-reject step: each chain moves with probability min(1, exp(`log_ratio`)), or stays where it is.
/// A proposal of non-finite energy or ratio is rejected. Returns the chains and the probabilities, both on
/// their device: nothing waits for it.
pub(crate) fn metropolis(
    log_ratio: &Tensor, // [n]
    here: (Tensor, ValueAndGrad),
    proposed: (Tensor, ValueAndGrad),
    key: ChainKey,
) -> Result<(Chain, Tensor)> {
    let ((x, here), (x_new, there)) = (here, proposed);
    // 0 times a finite number equals 0; 0 times an infinity or a NaN does not.
    let finite = (&there.energy * 0.0)?.eq(0.0)?;
    let known = log_ratio.eq(log_ratio)?;
    let usable = (finite * known)?;
    let zeros = log_ratio.zeros_like()?;
    let probability = usable.where_cond(&log_ratio.minimum(&zeros)?.exp()?, &zeros)?;
    let accept = (key.log_uniform(log_ratio)?.lt(log_ratio)? * &usable)?;
    let value = ValueAndGrad {
        energy: select(&accept, &there.energy, &here.energy)?,
        grad: select(&accept, &there.grad, &here.grad)?,
    };
    Ok((Chain::with_value(select(&accept, &x_new, &x)?, value)?, probability))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use mg_random::Key;

    use super::*;

    #[test]
    fn non_finite_proposals_are_rejected_and_leave_no_trace() -> Result<()> {
        let cpu = &Device::Cpu;
        let at = |energy: &[f64], x: f64| -> Result<(Tensor, ValueAndGrad)> {
            let n = energy.len();
            let x = (Tensor::ones((n, 1), candle_core::DType::F64, cpu)? * x)?;
            Ok((x.clone(), ValueAndGrad { energy: Tensor::new(energy, cpu)?, grad: x }))
        };
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let here = at(&[0.0, 0.0, 0.0, 0.0, inf], 1.0)?;
        let there = at(&[nan, inf, -inf, 0.0, 0.0], 2.0)?;
        let log_ratio = Tensor::new(&[nan, -inf, inf, nan, inf], cpu)?;
        let (chain, probability) = metropolis(&log_ratio, here, there, Key::new(0).into())?;
        // Only the last one, which returns from an infinite energy, moves.
        assert_eq!(chain.x().flatten_all()?.to_vec1::<f64>()?, [1.0, 1.0, 1.0, 1.0, 2.0]);
        assert_eq!(probability.to_vec1::<f64>()?, [0.0, 0.0, 0.0, 0.0, 1.0]);
        let value = chain.value().expect("metropolis knows the value");
        assert_eq!(value.energy.to_vec1::<f64>()?, [0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(value.grad.flatten_all()?.to_vec1::<f64>()?, [1.0, 1.0, 1.0, 1.0, 2.0]);
        Ok(())
    }
}
