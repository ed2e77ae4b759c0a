use super::channel_sums::ChannelSums;
use super::moments::Moments;
use crate::aligned::Aligned;
use crate::element::Element;

/// The last step back through a norm, per channel: `dz = by_grad dy + by_z (z - mean) + constant`.
pub(crate) struct Coefficients<E> {
    pub(crate) by_grad: Aligned<E>,
    pub(crate) by_z: Aligned<E>,
    pub(crate) constant: Aligned<E>,
}

impl<E: Element> Coefficients<E> {
    pub(crate) fn zeroed(width: usize) -> Self {
        let zeroed = || Aligned::zeroed(width);
        Self { by_grad: zeroed(), by_z: zeroed(), constant: zeroed() }
    }

    /// `dz = dy`.
    pub(crate) fn set_identity(&mut self) {
        self.clear();
        self.by_grad.fill(E::of(1.0));
    }

    /// `dz = scale (dy - mean(dy) - xhat mean(dy xhat))`, `xhat = (z - mean) rstd` (Ioffe & Szegedy 2015), with means
    /// over `count` values.
    pub(crate) fn set_batch(&mut self, moments: &Moments<E>, sums: &ChannelSums, count: usize) {
        self.clear();
        for (c, rstd) in moments.rstd.iter().enumerate() {
            let per_value = -moments.scale[c].to_f64() / count as f64;
            self.by_grad[c] = moments.scale[c];
            self.by_z[c] = E::of(per_value * rstd * rstd * sums.product[c]);
            self.constant[c] = E::of(per_value * sums.sum[c]);
        }
    }

    /// `dz = rstd (g - mean(g) - xhat mean(g xhat))`, `g = gamma dy`, with means over `area` pixels of all channels of
    /// a group.
    pub(crate) fn set_group(
        &mut self,
        (moments, gamma): (&Moments<E>, &[E]),
        sums: &ChannelSums,
        (groups, area): (usize, usize),
    ) {
        self.clear();
        let size = moments.rstd.len() / groups;
        for members in (0..groups).map(|group| group * size..(group + 1) * size) {
            let mean = |v: &[f64]| {
                let sum: f64 = members.clone().map(|c| gamma[c].to_f64() * v[c]).sum();
                sum / (size * area) as f64
            };
            let (level, along) = (mean(&sums.sum), mean(&sums.product));
            for c in members {
                let rstd = moments.rstd[c];
                self.by_grad[c] = moments.scale[c];
                self.by_z[c] = E::of(-rstd * rstd * rstd * along);
                self.constant[c] = E::of(-rstd * level);
            }
        }
    }

    fn clear(&mut self) {
        [&mut self.by_grad, &mut self.by_z, &mut self.constant].into_iter().for_each(|row| row.fill(E::ZERO));
    }
}
