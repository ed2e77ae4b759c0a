//! Weights in the order that tiles read them.

use rayon::prelude::*;

use crate::aligned::{Aligned, Number};
use crate::compiled::Compiled;
use crate::format::Stored;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::panel::Panel;
use crate::places::Places;
use crate::taps::{Tap, adjoint_start, phase_taps, run_of, runs};
use crate::tile::TILE_VECTORS;
use crate::{ConvGeometry, Window};

impl<P: Compiled> Packed<P> {
    /// A forward convolution from `input` to `output` for up to `block` images; `weight` is
    /// `[c_out, c_in, rows, columns]` of the window.
    pub(crate) fn forward(
        kernels: &Kernels<P>,
        window: &Window,
        (c_in, c_out): (usize, usize),
        (weight, bias): (&[P::Elem], &[P::Elem]),
        (input, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let [rows, columns] = window.kernel;
        let taps: Vec<_> = window.taps().collect();
        let offsets =
            taps.iter().flat_map(|(ky, kx)| run_of(ky * input.row() + kx * input.pitch, c_in)).collect();
        let entry = |d: usize| {
            let (ky, kx) = taps[d / c_in];
            let start = (d % c_in * rows + ky) * columns + kx;
            move |o: usize| weight[start + o * c_in * rows * columns]
        };
        let places = Places::new(block, output.pixels(), |n, y, x| {
            (input.window(window, n, y, x), output.at(n, y, x), None)
        });
        Self::pack(kernels, offsets, c_out, entry, bias, places)
    }

    /// The input adjoint from `grad` (with [`adjoint_halo`](crate::taps::adjoint_halo)) to `output`, one part per phase of the stride that any
    /// output reaches. `gate` is the layout of the activations that will gate the result.
    pub(crate) fn adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        gate: Option<&Map>,
        block: usize,
    ) -> Vec<Self> {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let start = adjoint_start(geometry, grad);
        let phase = |ry: usize, rx: usize| {
            let taps = phase_taps(geometry, ry, rx);
            let offsets = taps.iter().flat_map(|tap| run_of(tap.offset(grad), c_out)).collect();
            let entry = |d: usize| {
                let (tap, start) = (&taps[d / c_out], d % c_out * c_in);
                move |o: usize| weight[((start + o) * kernel + tap.ky) * kernel + tap.kx]
            };
            let side = output.side;
            let pixels =
                (ry..side).step_by(stride).flat_map(|y| (rx..side).step_by(stride).map(move |x| (y, x)));
            let places = Places::new(block, pixels, |n, y, x| {
                let gate = gate.map(|map| map.at(n, y, x));
                (
                    start + n * grad.image() + y / stride * grad.row() + x / stride * grad.pitch,
                    output.at(n, y, x),
                    gate,
                )
            });
            Self::pack(kernels, offsets, c_in, entry, &[], places)
        };
        (0..stride.min(output.side))
            .flat_map(|ry| (0..stride.min(output.side)).map(move |rx| (ry, rx)))
            .map(|(ry, rx)| phase(ry, rx))
            .collect()
    }

    /// The input adjoint of a convolution whose kernel covers its map, from `grad` of side 1 to `output`: each pixel reads
    /// one entry of the kernel, a part for each.
    pub(crate) fn spread(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        block: usize,
    ) -> Vec<Self> {
        let ConvGeometry { c_in, c_out, kernel, .. } = *geometry;
        let part = |(y, x): (usize, usize)| {
            let entry = |d: usize| move |o: usize| weight[((d * c_in + o) * kernel + y) * kernel + x];
            let place = |n: usize, y: usize, x: usize| (grad.at(n, 0, 0), output.at(n, y, x), None);
            let places = Places::new(block, std::iter::once((y, x)), place);
            Self::pack(kernels, run_of(0, c_out).collect(), c_in, entry, &[], places)
        };
        output.pixels().map(part).collect()
    }

    /// The input adjoint with all phases at once: pixel (y, x) of `output` (of side `ceil(side / stride)`) holds the
    /// channels `[phase y, phase x, c_in]` of the `stride x stride` pixels there. Fills vectors when `c_in` is small.
    pub(crate) fn merged_adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let (low, high) = geometry.adjoint_reach();
        let offsets: Vec<_> = (low..=high).flat_map(|y| (low..=high).map(move |x| (y, x))).collect();
        let taps =
            offsets.iter().map(|(y, x)| Tap { ky: 0, kx: 0, y: (y - low) as usize, x: (x - low) as usize });
        let reads = taps.flat_map(|tap| run_of(tap.offset(grad), c_out)).collect();
        let meets = |phase, offset| (0..kernel).find(|k| geometry.adjoint_offset(phase, *k) == Some(offset));
        let entry = |d: usize| {
            let ((y, x), start) = (offsets[d / c_out], d % c_out * c_in);
            move |o: usize| match (meets(o / c_in / stride, y), meets(o / c_in % stride, x)) {
                (Some(ky), Some(kx)) => weight[((start + o % c_in) * kernel + ky) * kernel + kx],
                _ => P::Elem::ZERO,
            }
        };
        let start = adjoint_start(geometry, grad);
        let places = Places::new(block, output.pixels(), |n, y, x| {
            (start + n * grad.image() + y * grad.row() + x * grad.pitch, output.at(n, y, x), None)
        });
        Self::pack(kernels, reads, stride * stride * c_in, entry, &[], places)
    }

    /// `offsets` holds the address of every value that a pixel reads, `entry(d)(o)` the weight of value `d` for output
    /// channel `o`.
    fn pack<F: Fn(usize) -> P::Elem>(
        kernels: &Kernels<P>,
        offsets: Vec<usize>,
        channels: usize,
        entry: impl Fn(usize) -> F + Sync,
        bias: &[P::Elem],
        places: Places,
    ) -> Self {
        let lanes = kernels.lanes;
        let vectors = channels.div_ceil(lanes);
        let mut padded_bias = Aligned::zeroed(vectors * lanes);
        padded_bias[..bias.len()].copy_from_slice(bias);
        if let Some(unit) = P::tile_unit(kernels.level) {
            let panel = Some((Panel::new(&runs(&offsets, 1).0, channels, |d, o| entry(d)(o)), unit));
            let (segments, weights) = (vec![], Aligned::zeroed(0));
            return Self { segments, weights, bias: padded_bias, depth: 0, vectors, places, panel };
        }
        let (segments, values) = runs(&offsets, P::GROUP);
        let depth = values.len();
        let mut weights = Aligned::zeroed(depth * vectors * lanes);
        for (block, from) in (0..vectors).step_by(TILE_VECTORS).enumerate() {
            let width = TILE_VECTORS.min(vectors - from) * lanes;
            let start = block * depth * TILE_VECTORS * lanes;
            let rows = weights[start..start + depth * width].par_chunks_exact_mut(width * P::GROUP);
            rows.zip(values.par_chunks_exact(P::GROUP)).with_min_len(64).for_each(|(row, group)| {
                for (place, d) in group.iter().enumerate() {
                    let Some(entry) = d.map(&entry) else { continue };
                    let values = (from * lanes..channels).map(entry);
                    let places = row.iter_mut().skip(place).step_by(P::GROUP);
                    places.zip(values).for_each(|(to, value)| *to = P::Stored::of(value));
                }
            });
        }
        Self { segments, weights, bias: padded_bias, depth, vectors, places, panel: None }
    }
}
