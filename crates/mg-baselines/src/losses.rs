use candle_core::{D, Result, Tensor};

/// `log(1 + exp(x))`, without overflow.
pub(crate) fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// The mean cross-entropy of logits whose truth is the same probability, 0 or 1, for all. (candle-nn's goes by way of
/// probabilities, whose logarithms are lost when a net is sure.)
pub(crate) fn cross_entropy(logits: &Tensor, truth: f64) -> Result<Tensor> {
    (softplus(logits)? - (logits * truth)?)?.mean_all()
}

/// Scores f, [n], that are minus energies, of what a net says of images: one number each, or the logits of experts whose
/// votes, log(1 + exp), add up (Kim and Bengio, 2016, section 3); [n, experts, 1, 1].
pub(crate) fn score(outputs: &Tensor) -> Result<Tensor> {
    let outputs = outputs.flatten_from(1)?;
    match outputs.dim(1)? {
        1 => outputs.squeeze(1),
        _ => softplus(&outputs)?.sum(1),
    }
}

/// Log probabilities of scores [n, K].
pub(crate) fn log_softmax(scores: &Tensor) -> Result<Tensor> {
    let centred = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    centred.broadcast_sub(&centred.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// The mean over rows of KL(p || q) between the choices that scores [n, K] stand for.
pub(crate) fn divergence(p: &Tensor, q: &Tensor) -> Result<Tensor> {
    let (p, q) = (log_softmax(p)?, log_softmax(q)?);
    (p.exp()? * (&p - q)?)?.sum(D::Minus1)?.mean_all()
}

/// The mean entropy of the choices that scores [n, K] stand for.
pub(crate) fn choice_entropy(scores: &Tensor) -> Result<Tensor> {
    let p = log_softmax(scores)?;
    (p.exp()? * p)?.sum(D::Minus1)?.mean_all()?.neg()
}

/// The mean cross entropy of scores, [n, K] or [n, K, 1, 1], and classes [n, K], rows of a one and zeros.
pub(crate) fn choice_loss(scores: &Tensor, classes: &Tensor) -> Result<Tensor> {
    (classes * log_softmax(&scores.flatten_from(1)?)?)?.sum(D::Minus1)?.mean_all()?.neg()
}

/// The share of rows whose largest score is that of their class.
pub(crate) fn accuracy(scores: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let right = scores.flatten_from(1)?.argmax(D::Minus1)?.eq(&classes.argmax(D::Minus1)?)?;
    right.to_dtype(classes.dtype())?.mean_all()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn cross_entropy_is_exact_where_a_net_is_sure_too() {
        for (logit, truth, loss, slope) in [
            (0.7f64, 1.0, 0.403_186_049_0, -0.331_812_227_8),
            (-0.7, 0.0, 0.403_186_049_0, 0.331_812_227_8),
            (300.0, 0.0, 300.0, 1.0),
            (-300.0, 1.0, 300.0, -1.0),
            (300.0, 1.0, 0.0, 0.0),
        ] {
            let x = Var::new(&[logit], &Device::Cpu).unwrap();
            let found = cross_entropy(&x, truth).unwrap();
            let gradient = found.backward().unwrap().get(&x).unwrap().to_vec1::<f64>().unwrap()[0];
            assert!((found.to_scalar::<f64>().unwrap() - loss).abs() < 1e-9, "{logit}");
            assert!((gradient - slope).abs() < 1e-9, "{logit}: {gradient}");
        }
    }
}
