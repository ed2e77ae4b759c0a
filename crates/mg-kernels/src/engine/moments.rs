use candle_core::WithDType;

use super::channel_sums::ChannelSums;
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::pointwise::{Sums, Walk};

/// Mean and biased variance per channel.
pub type Observed = (Vec<f64>, Vec<f64>);

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

    /// Those that normalise by an observed mean and variance.
    pub(crate) fn of(map: Map, (mean, variance): &Observed, eps: f64, gamma: &[E]) -> Self {
        let mut moments = Self::zero(map);
        for c in 0..map.channels {
            moments.set(c, mean[c], 1.0 / (variance[c] + eps).sqrt(), gamma[c]);
        }
        moments
    }
}

/// Mean and sum of squared deviations of `images` maps, per channel.
pub(crate) fn observe<P: Compiled>(
    kernels: &Kernels<P>,
    z: &[P::Stored],
    map: &Map,
    images: usize,
) -> (Vec<f64>, Vec<f64>) {
    let count = (images * map.side * map.side) as f64;
    let mut about: Aligned<P::Elem> = Aligned::zeroed(map.pitch);
    let walk = Walk { first: 0, images };
    let first = sums_about(kernels, z, *map, walk, &about);
    about.iter_mut().zip(&first.sum).for_each(|(to, sum)| *to = P::Elem::of(sum / count));
    let rest = sums_about(kernels, z, *map, walk, &about);
    let mean = about.iter().zip(&rest.sum).map(|(about, sum)| about.to_f64() + sum / count).collect();
    let squares =
        rest.product.iter().zip(&rest.sum).map(|(square, sum)| square - sum * sum / count).collect();
    (mean, squares)
}

/// Sums of values minus `mean`, and of their squares.
pub(crate) fn sums_about<P: Compiled>(
    kernels: &Kernels<P>,
    z: &[P::Stored],
    map: Map,
    walk: Walk,
    mean: &[P::Elem],
) -> ChannelSums {
    let mut sums = ChannelSums::zero(map.channels);
    let pass = Sums { walk, a: (z, map, mean), b: (z, map, mean) };
    kernels.sums(&pass, &mut sums.sum, &mut sums.product);
    sums
}

/// Mean and variance of a batch from mean, sum of squared deviations and number of values of its parts, in their order
/// (Chan, Golub & LeVeque 1979).
pub(crate) fn combine(parts: impl IntoIterator<Item = (Observed, usize)>) -> Option<Observed> {
    let mut parts = parts.into_iter().map(|(part, count)| (part, count as f64));
    let ((mut mean, mut squares), mut seen) = parts.next()?;
    for ((part_mean, part_squares), count) in parts {
        let total = seen + count;
        for c in 0..mean.len() {
            let gap = part_mean[c] - mean[c];
            mean[c] += gap * count / total;
            squares[c] += part_squares[c] + gap * gap * seen * count / total;
        }
        seen = total;
    }
    squares.iter_mut().for_each(|square| *square /= seen);
    Some((mean, squares))
}
