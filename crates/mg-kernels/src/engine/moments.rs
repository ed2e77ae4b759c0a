use crate::aligned::Aligned;
use crate::element::Element;
use crate::map::Map;

/// Mean and spread per channel that a norm applies.
pub(crate) struct Moments<E> {
    pub(crate) mean: Aligned<E>,
    /// `gamma / sqrt(variance + eps)`.
    pub(crate) scale: Aligned<E>,
    /// `1 / sqrt(variance + eps)`.
    pub(crate) rstd: Vec<f64>,
}

impl<E: Element> Moments<E> {
    pub(crate) fn zero(map: Map) -> Self {
        let (mean, scale) = (Aligned::zeroed(map.pitch), Aligned::zeroed(map.pitch));
        Self { mean, scale, rstd: vec![0.0; map.channels] }
    }

    pub(crate) fn set(&mut self, c: usize, mean: f64, rstd: f64, gamma: E) {
        self.mean[c] = E::of(mean);
        self.rstd[c] = rstd;
        self.scale[c] = E::of(gamma.to_f64() * rstd);
    }
}
