use super::gradients::Lane;
use super::plan::Adjoint;
use super::workspace::Moments;
use super::{Kept, Plan, Scratch, Stage, StagedNorm};
use crate::aligned::Aligned;
use crate::kernels::Computes;
use crate::map::Map;
use crate::pointwise::{Affine, Apply, Combine, Head, Sums, Walk};
use crate::tile::Finish;
use crate::winograd::Room;

/// One block of images on its way through the network.
pub(crate) struct Pass<'a, E: Computes> {
    pub(crate) plan: &'a Plan<E>,
    pub(crate) images: usize,
    pub(crate) kept: &'a mut Kept<E>,
    pub(crate) scratch: &'a mut Scratch<E>,
}

/// Per channel: the sum of a gradient, and of the gradient times the centred values.
#[derive(Clone, Default)]
pub(crate) struct ChannelSums {
    pub(crate) sum: Vec<f64>,
    pub(crate) product: Vec<f64>,
}

impl ChannelSums {
    pub(crate) fn zero(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], product: vec![0.0; channels] }
    }
}

impl<'a, E: Computes> Pass<'a, E> {
    pub(crate) fn new(
        plan: &'a Plan<E>,
        kept: &'a mut Kept<E>,
        scratch: &'a mut Scratch<E>,
        images: usize,
    ) -> Self {
        Self { plan, images, kept, scratch }
    }

    /// Takes the images in, `[n, c, y, x]`.
    pub(crate) fn load(&mut self, x: &[E]) {
        self.plan.maps[0].load(x, &mut self.scratch.image);
    }

    fn all(&self) -> Walk {
        Walk { first: 0, images: self.images }
    }

    /// The input of layer `l`, which is the activation of the layer before.
    fn input<'b>(plan: &Plan<E>, kept: &'b Kept<E>, scratch: &'b Scratch<E>, l: usize) -> &'b [E] {
        match l.checked_sub(1).map(|before| (before, &plan.layers[before].stage)) {
            None => &scratch.image,
            Some((before, Stage::Direct { .. })) => &kept.layers[before].values,
            Some((before, Stage::Staged { .. })) => &scratch.layers[before].values,
        }
    }

    /// The activations after layer `l`.
    pub(crate) fn activations(&self, l: usize) -> &[E] {
        Self::input(self.plan, self.kept, self.scratch, l + 1)
    }

    /// Convolves layer `l`'s input, and normalises by image where the norm asks for it.
    pub(crate) fn convolve(&mut self, l: usize) {
        let layer = &self.plan.layers[l];
        let finish = match layer.stage {
            Stage::Direct { slope } => Finish::Leaky(slope),
            Stage::Staged { .. } => Finish::Plain,
        };
        let mut output = std::mem::take(&mut self.kept.layers[l].values);
        let mut room = std::mem::replace(&mut self.scratch.room, Room::empty());
        let input = Self::input(self.plan, self.kept, self.scratch, l);
        layer.forward.run(self.plan.kernels, self.images, (input, &mut output), finish, None, &mut room);
        self.scratch.room = room;
        self.kept.layers[l].values = output;
        if let Stage::Staged { norm: StagedNorm::Group { groups, eps }, gamma, .. } = &layer.stage {
            let moments = (0..self.images).map(|n| self.group_moments(l, n, *groups, *eps, gamma));
            self.kept.layers[l].moments = moments.collect();
        }
    }

    /// Sums of the convolution's output minus `mean`, and of its square.
    fn sums_about(&self, l: usize, walk: Walk, mean: &[E]) -> ChannelSums {
        let map = self.plan.layers[l].raw;
        let z: &[E] = &self.kept.layers[l].values;
        let mut sums = ChannelSums::zero(map.channels);
        let pass = Sums { walk, a: (z, map, mean), b: (z, map, mean) };
        self.plan.kernels.sums(&pass, &mut sums.sum, &mut sums.product);
        sums
    }

    /// Mean and sum of squared deviations of layer `l`'s convolution output, per channel, over this block.
    pub(crate) fn observe(&self, l: usize) -> (Vec<f64>, Vec<f64>) {
        let map = self.plan.layers[l].raw;
        let count = (self.images * map.side * map.side) as f64;
        let first = self.sums_about(l, self.all(), &self.scratch.coefficients[3]);
        let mut about = Aligned::zeroed(map.pitch);
        about.iter_mut().zip(&first.sum).for_each(|(to, sum)| *to = E::of(sum / count));
        let rest = self.sums_about(l, self.all(), &about);
        let mean = about.iter().zip(&rest.sum).map(|(about, sum)| about.to_f64() + sum / count).collect();
        let squares =
            rest.product.iter().zip(&rest.sum).map(|(square, sum)| square - sum * sum / count).collect();
        (mean, squares)
    }

    fn group_moments(&self, l: usize, n: usize, groups: usize, eps: f64, gamma: &[E]) -> Moments<E> {
        let map = self.plan.layers[l].raw;
        let (walk, size) = (Walk { first: n, images: 1 }, map.channels / groups);
        let count = (size * map.side * map.side) as f64;
        let first = self.sums_about(l, walk, &self.scratch.coefficients[3]);
        let mut moments = Moments::zero(map);
        for (group, sums) in first.sum.chunks(size).enumerate() {
            let mean = E::of(sums.iter().sum::<f64>() / count);
            moments.mean[group * size..(group + 1) * size].fill(mean);
        }
        let rest = self.sums_about(l, walk, &moments.mean);
        for group in 0..groups {
            let members = group * size..(group + 1) * size;
            let off = rest.sum[members.clone()].iter().sum::<f64>() / count;
            let variance = rest.product[members.clone()].iter().sum::<f64>() / count - off * off;
            let (mean, rstd) = (moments.mean[members.start].to_f64() + off, 1.0 / (variance + eps).sqrt());
            for c in members {
                moments.set(c, mean, rstd, gamma[c]);
            }
        }
        moments
    }

    /// What a staged layer's activation is applied with: passes over images that share moments.
    fn walks(plan: &Plan<E>, l: usize, images: usize) -> Vec<Walk> {
        match &plan.layers[l].stage {
            Stage::Staged { norm: StagedNorm::Group { .. }, .. } => {
                (0..images).map(|first| Walk { first, images: 1 }).collect()
            }
            _ => vec![Walk { first: 0, images }],
        }
    }

    /// Makes the activations of a staged layer; `batch` holds the moments of a batch norm.
    pub(crate) fn activate(&mut self, l: usize, batch: Option<&Moments<E>>) {
        let (layer, to_map) = (&self.plan.layers[l], self.plan.maps[l + 1]);
        let Stage::Staged { curve, gamma, beta, .. } = &layer.stage else { return };
        let mut to = std::mem::take(&mut self.scratch.layers[l].values);
        for walk in Self::walks(self.plan, l, self.images) {
            let kept = &self.kept.layers[l];
            let affine =
                affine(batch.or(kept.moments.get(walk.first)), gamma, beta, &self.scratch.coefficients[3]);
            let pass = Apply { walk, z: (&kept.values, layer.raw), affine, curve: *curve };
            self.plan.kernels.apply(&pass, &mut to, &to_map);
        }
        self.scratch.layers[l].values = to;
    }

    /// The images' scores, from the last activations.
    pub(crate) fn scores(&self) -> impl Iterator<Item = f64> {
        let head = self.head();
        let last = self.activations(self.plan.layers.len() - 1);
        (0..self.images).map(move |n| self.plan.kernels.dot(&head, n, last) + self.plan.head_bias)
    }

    fn head(&self) -> Head<'a, E> {
        Head { map: self.plan.maps[self.plan.layers.len()], weights: &self.plan.head }
    }

    /// Begins the backward pass at the head; `coefficient` per image.
    pub(crate) fn pull(&mut self, coefficient: impl Fn(usize) -> E) {
        let l = self.plan.layers.len() - 1;
        let (layer, head) = (&self.plan.layers[l], self.head());
        let kept = &mut self.kept.layers[l];
        for n in 0..self.images {
            let (gate, map) = match layer.stage {
                Stage::Direct { slope } => (Some((&*kept.values, slope)), layer.grad),
                Stage::Staged { .. } => (None, layer.raw),
            };
            self.plan.kernels.pull(&head, n, coefficient(n), gate, &mut kept.grads, &map);
        }
    }

    /// Takes a staged layer's gradient back through its activation. Sums it per channel when the norm is a batch norm.
    pub(crate) fn through_activation(&mut self, l: usize, batch: Option<&Moments<E>>) -> Option<ChannelSums> {
        let layer = &self.plan.layers[l];
        let Stage::Staged { norm, curve, gamma, beta } = &layer.stage else { return None };
        for walk in Self::walks(self.plan, l, self.images) {
            let kept = &mut self.kept.layers[l];
            let moments = batch.or(kept.moments.get(walk.first));
            let affine = affine(moments, gamma, beta, &self.scratch.coefficients[3]);
            let pass = Apply { walk, z: (&kept.values, layer.raw), affine, curve: *curve };
            self.plan.kernels.gate(&pass, &mut kept.grads);
        }
        match (norm, batch) {
            (StagedNorm::Batch { .. }, Some(moments)) => {
                Some(self.gradient_sums(l, self.all(), &moments.mean))
            }
            _ => None,
        }
    }

    fn gradient_sums(&self, l: usize, walk: Walk, mean: &[E]) -> ChannelSums {
        let (map, kept) = (self.plan.layers[l].raw, &self.kept.layers[l]);
        let mut sums = ChannelSums::zero(map.channels);
        let pass =
            Sums { walk, a: (&kept.grads, map, &self.scratch.coefficients[3]), b: (&kept.values, map, mean) };
        self.plan.kernels.sums(&pass, &mut sums.sum, &mut sums.product);
        sums
    }

    /// Takes a staged layer's gradient back through its norm, to the convolution's output. `batch` holds a batch
    /// norm's moments and sums over `count` values per channel; `lane` collects gradients of gamma and beta.
    pub(crate) fn through_norm(
        &mut self,
        l: usize,
        batch: Option<(&Moments<E>, &ChannelSums, usize)>,
        mut lane: Option<&mut Lane<E>>,
    ) {
        let layer = &self.plan.layers[l];
        let Stage::Staged { norm, gamma, .. } = &layer.stage else { return };
        let mut to = std::mem::take(&mut self.scratch.layers[l].grads);
        for walk in Self::walks(self.plan, l, self.images) {
            let moments = match (norm, batch) {
                (StagedNorm::Batch { .. }, Some((moments, sums, count))) => {
                    self.batch_coefficients(moments, sums, count as f64);
                    Some(moments)
                }
                (StagedNorm::Group { groups, .. }, _) => {
                    let mean = &self.kept.layers[l].moments[walk.first].mean;
                    let sums = self.gradient_sums(l, walk, mean);
                    let moments = &self.kept.layers[l].moments[walk.first];
                    if let Some(lane) = &mut lane {
                        lane.add_affine(l, &sums, &moments.rstd);
                    }
                    let count = (layer.raw.side * layer.raw.side) as f64;
                    group_coefficients(
                        &mut self.scratch.coefficients,
                        moments,
                        gamma,
                        &sums,
                        (*groups, count),
                    );
                    Some(moments)
                }
                _ => {
                    let [by_grad, by_z, constant, _] = &mut self.scratch.coefficients;
                    by_grad.fill(E::of(1.0));
                    by_z.fill(E::ZERO);
                    constant.fill(E::ZERO);
                    None
                }
            };
            let [by_grad, by_z, constant, zeros] = &self.scratch.coefficients;
            let kept = &self.kept.layers[l];
            let mean = moments.map_or(zeros, |moments| &moments.mean);
            let (z, grad, map) = (&kept.values, &kept.grads, layer.raw);
            let pass = Combine { walk, z, grad, map, mean, by_grad, by_z, constant };
            self.plan.kernels.combine(&pass, &mut to, &layer.grad);
        }
        self.scratch.layers[l].grads = to;
    }

    /// `dz = scale (dy - mean(dy) - xhat mean(dy xhat))`, `xhat = (z - mean) rstd` (Ioffe & Szegedy 2015).
    fn batch_coefficients(&mut self, moments: &Moments<E>, sums: &ChannelSums, count: f64) {
        let [by_grad, by_z, constant, _] = &mut self.scratch.coefficients;
        for (c, rstd) in moments.rstd.iter().enumerate() {
            let scale = moments.scale[c].to_f64();
            by_grad[c] = moments.scale[c];
            by_z[c] = E::of(-scale * rstd * rstd * sums.product[c] / count);
            constant[c] = E::of(-scale * sums.sum[c] / count);
        }
        let channels = moments.rstd.len();
        [by_grad, by_z, constant].into_iter().for_each(|row| row[channels..].fill(E::ZERO));
    }

    /// The gradient of layer `l`'s convolution output.
    fn grad<'b>(plan: &Plan<E>, kept: &'b Kept<E>, scratch: &'b Scratch<E>, l: usize) -> &'b [E] {
        match plan.layers[l].stage {
            Stage::Direct { .. } => &kept.layers[l].grads,
            Stage::Staged { .. } => &scratch.layers[l].grads,
        }
    }

    /// Takes the gradient back through layer `l`'s convolution, to the layer before.
    pub(crate) fn through_conv(&mut self, l: usize) {
        let Adjoint::Pixels(adjoint) = &self.plan.layers[l].adjoint else { return };
        let mut to = std::mem::take(&mut self.kept.layers[l - 1].grads);
        let mut room = std::mem::replace(&mut self.scratch.room, Room::empty());
        let grad = Self::grad(self.plan, self.kept, self.scratch, l);
        let gate = match self.plan.layers[l - 1].stage {
            Stage::Direct { slope } => Some((&*self.kept.layers[l - 1].values, slope)),
            Stage::Staged { .. } => None,
        };
        adjoint.run(self.plan.kernels, self.images, (grad, &mut to), Finish::Plain, gate, &mut room);
        self.scratch.room = room;
        self.kept.layers[l - 1].grads = to;
    }

    /// Takes the gradient back through the first convolution, to the images `[n, c, y, x]`.
    pub(crate) fn reach_images(&mut self, dx: &mut [E]) {
        let layer = &self.plan.layers[0];
        let map = layer.adjoint.map(self.plan.kernels, &self.plan.maps[0]);
        let mut to = std::mem::take(&mut self.scratch.image_grad);
        let mut room = std::mem::replace(&mut self.scratch.room, Room::empty());
        let grad = Self::grad(self.plan, self.kept, self.scratch, 0);
        let maps = (&self.plan.maps[0], &map);
        layer.adjoint.reach_images(
            self.plan.kernels,
            (grad, &mut to),
            maps,
            layer.conv.stride,
            dx,
            &mut room,
        );
        self.scratch.room = room;
        self.scratch.image_grad = to;
    }

    /// Adds the gradients of layer `l`'s weights and biases.
    pub(crate) fn add_weight_grads(&self, l: usize, lane: &mut Lane<E>) {
        let layer = &self.plan.layers[l];
        let grad = Self::grad(self.plan, self.kept, self.scratch, l);
        let input = Self::input(self.plan, self.kept, self.scratch, l);
        let into = &mut lane.layers[l];
        layer.weight_gradient.add(self.plan.kernels, self.images, input, grad, &mut into.weight);
        let zeros: &[E] = &self.scratch.coefficients[3];
        let pass = Sums { walk: self.all(), a: (grad, layer.grad, zeros), b: (grad, layer.grad, zeros) };
        let mut ignored = vec![0.0; layer.conv.c_out];
        self.plan.kernels.sums(&pass, &mut into.bias, &mut ignored);
    }

    /// Adds the head's gradients; `coefficient` per image.
    pub(crate) fn add_head_grads(&self, coefficient: impl Fn(usize) -> E, lane: &mut Lane<E>) {
        let last = self.activations(self.plan.layers.len() - 1);
        let map = self.head().map;
        for n in 0..self.images {
            self.plan.kernels.add_scaled(&map, n, coefficient(n), last, &mut lane.head);
            lane.head_bias += coefficient(n).to_f64();
        }
    }
}

/// The affine map before an activation: the moments', or the identity with `gamma` ones and `beta` zeros.
fn affine<'b, E>(
    moments: Option<&'b Moments<E>>,
    gamma: &'b [E],
    beta: &'b [E],
    zeros: &'b [E],
) -> Affine<'b, E>
where
    E: Computes,
{
    match moments {
        Some(moments) => Affine { mean: &moments.mean, scale: &moments.scale, beta },
        None => Affine { mean: zeros, scale: gamma, beta },
    }
}

/// As a batch norm's, with means over the `count` values of all channels of a group, of `gamma dy`.
fn group_coefficients<E: Computes>(
    coefficients: &mut [Aligned<E>; 4],
    moments: &Moments<E>,
    gamma: &[E],
    sums: &ChannelSums,
    (groups, area): (usize, f64),
) {
    let [by_grad, by_z, constant, _] = coefficients;
    [&mut *by_grad, by_z, constant].into_iter().for_each(|row| row.fill(E::ZERO));
    let size = moments.rstd.len() / groups;
    for group in 0..groups {
        let members = group * size..(group + 1) * size;
        let weigh =
            |v: &[f64]| members.clone().map(|c| gamma[c].to_f64() * v[c]).sum::<f64>() / (size as f64 * area);
        let (mean, along) = (weigh(&sums.sum), weigh(&sums.product));
        for c in members.clone() {
            let rstd = moments.rstd[c];
            by_grad[c] = moments.scale[c];
            by_z[c] = E::of(-rstd * rstd * rstd * along);
            constant[c] = E::of(-rstd * mean);
        }
    }
}

impl<E: Computes> Moments<E> {
    pub(crate) fn zero(map: Map) -> Self {
        Self {
            mean: Aligned::zeroed(map.pitch),
            scale: Aligned::zeroed(map.pitch),
            rstd: vec![0.0; map.channels],
        }
    }

    pub(crate) fn set(&mut self, c: usize, mean: f64, rstd: f64, gamma: E) {
        self.mean[c] = E::of(mean);
        self.rstd[c] = rstd;
        self.scale[c] = E::of(gamma.to_f64() * rstd);
    }
}
