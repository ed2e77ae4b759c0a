//! The weight adjoint of a convolution by Winograd's transforms: products of transformed inputs, phase by phase of the stride,
//! and gradients, summed over tiles, frequency by frequency.
#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use rayon::prelude::*;

use crate::ConvGeometry;
use crate::aligned::Number;
use crate::compiled::Compiled;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::tile::{MOST_ROWS, TILE_VECTORS};
use crate::weight_tile::WeightTile;
use crate::winograd::filter::Sizes;
use crate::winograd::kernel::{ENTRIES, KernelPass};
use crate::winograd::transform::{Side, Spacing, Steps, TilePlace, Transform};
use crate::winograd_layout::{phase_starts, phases, places, tile_side};

/// The gradient of the weights between two maps, whose halos are zero as far as tiles reach.
pub(crate) struct WinogradGradient {
    conv: ConvGeometry,
    sizes: Sizes,
    lanes: usize,
    /// Where each phase of the input begins after a tile's first value.
    phases: Vec<usize>,
    input: Steps,
    grad: Steps,
    input_tiles: Vec<TilePlace>,
    grad_tiles: Vec<TilePlace>,
    /// Tiles of an image.
    per_image: usize,
    /// Values from one transformed tile of the input and of the gradient to the next. A task has all its tiles at a frequency
    /// side by side, `[frequency][tile][pitch]`, for a sum runs through these.
    pitches: (usize, usize),
}

/// A part of the sums: a frequency, and vectors of output channels from one on.
#[derive(Clone, Copy)]
pub(crate) struct FrequencyPart {
    frequency: usize,
    from: usize,
}

impl WinogradGradient {
    /// Whether this is faster than a direct gradient: transforms and larger sums cost as much again, and products are of full
    /// precision.
    pub(crate) fn pays<P: Format>(conv: &ConvGeometry, side: usize) -> bool {
        let ConvGeometry { kernel, stride, .. } = *conv;
        let (products, out) = (sizes(conv, side).frequencies() * stride * stride, tile_side(side));
        products * 10 < (out * out * kernel * kernel).div_ceil(P::GROUP) * 4
    }

    /// For inputs laid out as `input` and gradients as `grad`, up to `block` images at once.
    pub(crate) fn new(lanes: usize, conv: &ConvGeometry, (input, grad): (&Map, &Map), block: usize) -> Self {
        let (window, side, stride, out) = (conv.window(), grad.side, conv.stride, tile_side(grad.side));
        let pitch = |channels| Map::new::<f32>(1, channels, (0, 0), lanes).pitch;
        Self {
            conv: *conv,
            sizes: sizes(conv, side),
            lanes,
            phases: phase_starts(input, stride),
            input: Steps::of(input, stride),
            grad: Steps::of(grad, 1),
            input_tiles: places(block, out, (side, side), |n, y, x| (input.window(&window, n, y, x), 0, 0)),
            grad_tiles: places(block, out, (side, side), |n, y, x| (grad.at(n, y, x), 0, 0)),
            per_image: side.div_ceil(out).pow(2),
            pitches: (pitch(stride * stride * conv.c_in), pitch(conv.c_out)),
        }
    }

    /// Values of an image's transformed tiles: of the input and of the gradient. Sums read up to [`MOST_ROWS`] beyond the last
    /// ones of the input.
    pub(crate) fn transformed(&self) -> (usize, usize) {
        let each = self.per_image * self.sizes.frequencies();
        (each * self.pitches.0, each * self.pitches.1)
    }

    /// Transforms the maps of `images` images, of a task that may have `most`.
    pub(crate) fn transform<P: Compiled>(
        &self,
        kernels: &Kernels<P>,
        (images, most): (usize, usize),
        (input, grad): (&[P::Stored], &[P::Stored]),
        (to_input, to_grad): (&mut [P::Elem], &mut [P::Elem]),
    ) {
        let (tiles, sizes) = (images * self.per_image, self.sizes);
        let pass = |tiles, steps, channels, pitch, of| {
            let to = Spacing { tile: pitch, frequency: most * self.per_image * pitch };
            Transform { tiles, steps, channels, to, sizes, of }
        };
        let ConvGeometry { c_in, c_out, .. } = self.conv;
        let of_input = pass(&self.input_tiles[..tiles], self.input, c_in, self.pitches.0, Side::Input);
        for (number, start) in self.phases.iter().enumerate() {
            kernels.transform(&of_input, &input[*start..], &mut to_input[number * c_in..]);
        }
        let of_grad = pass(&self.grad_tiles[..tiles], self.grad, c_out, self.pitches.1, Side::Gradient);
        kernels.transform(&of_grad, grad, to_grad);
    }

    /// Channels of all phases.
    fn depth(&self) -> usize {
        self.phases.len() * self.conv.c_in
    }

    fn vectors(&self) -> usize {
        self.conv.c_out.div_ceil(self.lanes)
    }

    /// Elements of the sums, `[blocks of TILE_VECTORS vectors][frequency][phase, c_in][vectors of the block]`.
    pub(crate) fn len(&self) -> usize {
        self.sizes.frequencies() * self.depth() * self.vectors() * self.lanes
    }

    /// The parts of the sums, in their order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = FrequencyPart> + use<> {
        let (channels, frequencies) = ((0..self.vectors()).step_by(TILE_VECTORS), self.sizes.frequencies());
        channels
            .flat_map(move |from| (0..frequencies).map(move |frequency| FrequencyPart { frequency, from }))
    }

    /// Elements of a part.
    pub(crate) fn part_len(&self, part: FrequencyPart) -> usize {
        self.depth() * TILE_VECTORS.min(self.vectors() - part.from) * self.lanes
    }

    /// Adds the products of the transformed tiles of `images` images, in tasks of up to `most`, to a part, `run` images at a
    /// time.
    pub(crate) fn add_part<P: Compiled>(
        &self,
        kernels: &Kernels<P>,
        (images, most, run): (usize, usize, usize),
        (input, grad): (&[P::Elem], &[P::Elem]),
        FrequencyPart { frequency, from }: FrequencyPart,
        into: &mut [P::Elem],
    ) {
        let full = P::full(kernels.level);
        let (vectors, tiles) = (TILE_VECTORS.min(self.vectors() - from), images * self.per_image);
        let (frequencies, depth, task) = (self.sizes.frequencies(), self.depth(), most * self.per_image);
        assert_eq!((into.len(), full.lanes), (depth * vectors * self.lanes, self.lanes));
        let all = tiles.next_multiple_of(task) * frequencies;
        let fits = all * self.pitches.0 + MOST_ROWS <= input.len() && all * self.pitches.1 <= grad.len();
        assert!(fits, "tiles are missing");
        let at = |tile: usize| (tile / task * frequencies + frequency) * task + tile % task;
        let places = |pitch: usize| (0..tiles).map(|tile| (at(tile) * pitch) as u32).collect::<Vec<_>>();
        let (input_at, grad_at) = (places(self.pitches.0), places(self.pitches.1));
        let grad = grad[from * self.lanes..].as_ptr();
        let size = full.weight_tile(depth);
        let run = run * self.per_image;
        for (input_at, grad_at) in input_at.chunks(run).zip(grad_at.chunks(run)) {
            let mut into = into.as_mut_ptr();
            for first in (0..depth).step_by(size.rows) {
                let rows = size.rows.min(depth - first);
                let input = input[first..].as_ptr();
                let tile = WeightTile { input, input_at, grad, grad_at, into, rows };
                // SAFETY: the kernels fit the processor; a tile reads at most `MOST_ROWS` values from its first, and whole
                // vectors of the gradient, which is inside both by the assertion; `into` has `depth` rows of `vectors` vectors.
                unsafe {
                    (size.weight_gradient[vectors - 1])(&tile);
                    into = into.add(rows * vectors * self.lanes);
                }
            }
        }
    }

    /// Writes the gradient of the weight `[c_out, c_in, k, k]` that the sums make.
    pub(crate) fn unpack_into<P: Compiled>(
        &self,
        kernels: &Kernels<P>,
        sums: &[P::Elem],
        weight: &mut [P::Elem],
    ) {
        let ConvGeometry { c_in, kernel: side, stride, .. } = self.conv;
        let (channels, depth, lanes) = (TILE_VECTORS * self.lanes, self.depth(), self.lanes);
        let (each, full) = (c_in * side * side, self.sizes.frequencies() * depth * channels);
        let phases = phases(side, stride);
        let blocks = weight.par_chunks_mut(channels * each).zip(sums.par_chunks(full));
        blocks.for_each(|(weight, sums)| {
            let width = sums.len() / (self.sizes.frequencies() * depth);
            let pass = KernelPass { sizes: self.sizes, step: depth * width };
            let mut entries = vec![P::Elem::ZERO; ENTRIES * lanes];
            for (i, first) in (0..c_in).flat_map(|i| (0..width).step_by(lanes).map(move |first| (i, first))) {
                for (phase, (rows, columns)) in phases.iter().enumerate() {
                    let sums = &sums[(phase * c_in + i) * width + first..];
                    kernels.gather_kernels(pass, sums, &mut entries);
                    let kernels = weight[first * each..].chunks_mut(each).take(lanes).enumerate();
                    for (o, kernel) in kernels.map(|(o, all)| (o, &mut all[i * side * side..])) {
                        for (y, row) in rows.iter().enumerate() {
                            for (x, column) in columns.iter().enumerate() {
                                kernel[row * side + column] = entries[(3 * y + x) * lanes + o];
                            }
                        }
                    }
                }
            }
        });
    }
}

fn sizes(conv: &ConvGeometry, side: usize) -> Sizes {
    let taps = conv.kernel.div_ceil(conv.stride);
    Sizes::of(tile_side(side), (taps, taps))
}
