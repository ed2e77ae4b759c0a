use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::tile::TILE_VECTORS;
use crate::winograd::exact_kernel::{TOGETHER, transform_kernels};
use crate::winograd::filter::Sizes;
use crate::winograd::fixed::FixedKernels;
use crate::winograd::fixed_weights::FixedWeights;
use crate::winograd::kernel::{ENTRIES, KernelPass};

/// Transformed weights.
pub(crate) enum Transformed<E: 'static> {
    /// `[blocks of TILE_VECTORS vectors][frequency][phase, c_in][vectors of the block]`.
    Whole(Aligned<E>),
    Fixed(FixedWeights, &'static FixedKernels<E>),
}

/// A phase of a kernel: rows and columns of the whole kernel that it has.
pub(crate) type Phase = (Vec<usize>, Vec<usize>);

/// Weights to be transformed.
pub(crate) struct Untransformed<'a, E> {
    pub(crate) sizes: Sizes,
    /// Whose products are summed.
    pub(crate) phases: &'a [Phase],
    pub(crate) channels: (usize, usize),
    /// Side of the whole kernel.
    pub(crate) side: usize,
    pub(crate) weight: &'a [E],
    /// Where the kernel for an input and an output channel begins: this for each of the one, this for each of the other.
    pub(crate) steps: (usize, usize),
}

impl<E: Element> Untransformed<'_, E> {
    /// `G g G^T` of every kernel.
    pub(crate) fn transformed<P: Compiled<Elem = E>>(&self, kernels: &Kernels<P>) -> Transformed<E> {
        let (depth, lanes) = (self.phases.len() * self.channels.0, kernels.lanes);
        let (frequencies, vectors) = (self.sizes.frequencies(), self.channels.1.div_ceil(lanes));
        let (full, last) = (TILE_VECTORS * lanes, vectors * lanes);
        let width = |block: usize| full.min(last - block * full);
        match P::fixed(kernels.level) {
            None => {
                let mut weights = Aligned::zeroed(frequencies * depth * last);
                let blocks = weights.par_chunks_mut(frequencies * depth * full).enumerate();
                blocks.for_each(|(block, to)| self.block(kernels, block * full, width(block), to));
                Transformed::Whole(weights)
            }
            Some(fixed) => {
                let block = |block: usize, to: &mut [E]| self.block(kernels, block * full, width(block), to);
                let integers = |weights: &[E], limit, units: &mut [f32], values: &mut [i16]| {
                    fixed.take_weights(weights, limit, units, values);
                };
                let weights = FixedWeights::new(full, (depth, last), frequencies, block, integers);
                Transformed::Fixed(weights, fixed)
            }
        }
    }

    /// The kernels of `width` output channels from number `from` on, `[frequency][phase, c_in][output channel]`.
    fn block<P: Compiled<Elem = E>>(&self, kernels: &Kernels<P>, from: usize, width: usize, to: &mut [E]) {
        if self.side == 3 {
            return self.block_of_threes(from, width, to);
        }
        let ((c_in, c_out), lanes) = (self.channels, kernels.lanes);
        let depth = self.phases.len() * c_in;
        let pass = KernelPass { sizes: self.sizes, step: depth * width };
        let mut entries = vec![E::ZERO; ENTRIES * lanes];
        for (i, first) in (0..c_in).flat_map(|i| (0..width).step_by(lanes).map(move |first| (i, first))) {
            let count = lanes.min(c_out - from - first);
            for (phase, (rows, columns)) in self.phases.iter().enumerate() {
                entries.fill(E::ZERO);
                for o in 0..count {
                    let kernel = &self.weight[i * self.steps.0 + (from + first + o) * self.steps.1..];
                    for (y, row) in rows.iter().enumerate() {
                        for (x, column) in columns.iter().enumerate() {
                            entries[(3 * y + x) * lanes + o] = kernel[row * self.side + column];
                        }
                    }
                }
                kernels.transform_kernels(pass, &entries, &mut to[(phase * c_in + i) * width + first..]);
            }
        }
    }

    /// The same of 3x3 kernels.
    fn block_of_threes(&self, from: usize, width: usize, to: &mut [E]) {
        let ((c_in, c_out), (rows, columns)) = (self.channels, &self.phases[0]);
        for (i, part) in (0..c_in).flat_map(|i| (0..width).step_by(TOGETHER).map(move |part| (i, part))) {
            let count = TOGETHER.min(width - part).min(c_out.saturating_sub(from + part));
            let mut entries = [[0.0; TOGETHER]; ENTRIES];
            for o in 0..count {
                let kernel = &self.weight[i * self.steps.0 + (from + part + o) * self.steps.1..];
                for (at, entry) in entries.iter_mut().enumerate() {
                    entry[o] = kernel[3 * rows[at / 3] + columns[at % 3]].to_f64();
                }
            }
            for (frequency, values) in transform_kernels(&entries).iter().enumerate() {
                let to = &mut to[(frequency * c_in + i) * width + part..][..count];
                to.iter_mut().zip(values).for_each(|(to, value)| *to = E::of(*value));
            }
        }
    }
}
