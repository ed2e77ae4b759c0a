//! The weight adjoint of a 3x3 convolution with stride 1, by Winograd's transforms: products of transformed inputs and
//! gradients, summed over tiles, frequency by frequency.
#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use rayon::prelude::*;

use crate::ConvGeometry;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::tile::{MOST_ROWS, TILE_VECTORS};
use crate::weight_tile::WeightTile;
use crate::winograd::filter::{A, B, FREQUENCIES, IN, OUT};
use crate::winograd::transform::{TilePlace, Transform};

/// The gradient of the weights between two maps, whose halos are zero as far as tiles reach.
pub(crate) struct WinogradGradient {
    c_in: usize,
    c_out: usize,
    lanes: usize,
    input: Map,
    grad: Map,
    input_tiles: Vec<TilePlace>,
    grad_tiles: Vec<TilePlace>,
    /// Tiles of an image.
    per_image: usize,
    /// Values from one frequency to the next in a transformed tile of the input and of the gradient.
    pitches: (usize, usize),
}

/// A part of the sums: a frequency, and vectors of output channels from one on.
#[derive(Clone, Copy)]
pub(crate) struct FrequencyPart {
    frequency: usize,
    from: usize,
}

impl WinogradGradient {
    /// Whether this is faster than a direct gradient that sums so many products for the outputs of a tile: transforms and
    /// larger sums cost as much again, and products are of full precision.
    pub(crate) fn pays<P: Format>(c_in: usize, direct: usize) -> bool {
        FREQUENCIES * c_in * 10 < direct.div_ceil(P::GROUP) * 4
    }

    /// For inputs laid out as `input` and gradients as `grad`, up to `block` images at once.
    pub(crate) fn new(lanes: usize, conv: &ConvGeometry, (input, grad): (&Map, &Map), block: usize) -> Self {
        let (window, side) = (conv.window(), grad.side);
        let corners = || (0..side).step_by(OUT).flat_map(|y| (0..side).step_by(OUT).map(move |x| (y, x)));
        let places = |at: &dyn Fn(usize, usize, usize) -> usize| -> Vec<TilePlace> {
            let place = |(n, (y, x))| {
                let (rows, columns) = (OUT.min(side - y), OUT.min(side - x));
                TilePlace { input: at(n, y, x), output: 0, gate: 0, rows, columns }
            };
            (0..block).flat_map(|n| corners().map(move |corner| (n, corner))).map(place).collect()
        };
        let pitch = |channels| Map::new::<f32>(1, channels, (0, 0), lanes).pitch;
        Self {
            c_in: conv.c_in,
            c_out: conv.c_out,
            lanes,
            input: *input,
            grad: *grad,
            input_tiles: places(&|n, y, x| input.window(&window, n, y, x)),
            grad_tiles: places(&|n, y, x| grad.at(n, y, x)),
            per_image: corners().count(),
            pitches: (pitch(conv.c_in), pitch(conv.c_out)),
        }
    }

    /// Values of an image's transformed tiles: of the input and of the gradient. Sums read up to [`MOST_ROWS`] beyond the last
    /// ones of the input.
    pub(crate) fn transformed(&self) -> (usize, usize) {
        let each = self.per_image * FREQUENCIES;
        (each * self.pitches.0, each * self.pitches.1)
    }

    /// Transforms the maps of `images` images.
    pub(crate) fn transform<P: Compiled>(
        &self,
        kernels: &Kernels<P>,
        images: usize,
        (input, grad): (&[P::Stored], &[P::Stored]),
        (to_input, to_grad): (&mut [P::Elem], &mut [P::Elem]),
    ) {
        let tiles = images * self.per_image;
        let pass = |tiles, map, channels, pitch| Transform { tiles, map, channels, pitch };
        let of_input = pass(&self.input_tiles[..tiles], &self.input, self.c_in, self.pitches.0);
        kernels.transform_input(&of_input, input, to_input);
        let of_grad = pass(&self.grad_tiles[..tiles], &self.grad, self.c_out, self.pitches.1);
        kernels.transform_gradient(&of_grad, grad, to_grad);
    }

    fn vectors(&self) -> usize {
        self.c_out.div_ceil(self.lanes)
    }

    /// Elements of the sums, `[blocks of TILE_VECTORS vectors][frequency][c_in][vectors of the block]`.
    pub(crate) fn len(&self) -> usize {
        FREQUENCIES * self.c_in * self.vectors() * self.lanes
    }

    /// The parts of the sums, in their order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = FrequencyPart> + use<> {
        let channels = (0..self.vectors()).step_by(TILE_VECTORS);
        channels.flat_map(|from| (0..FREQUENCIES).map(move |frequency| FrequencyPart { frequency, from }))
    }

    /// Elements of a part.
    pub(crate) fn part_len(&self, part: FrequencyPart) -> usize {
        self.c_in * TILE_VECTORS.min(self.vectors() - part.from) * self.lanes
    }

    /// Adds the products of the transformed tiles of `images` images to a part, `run` images at a time.
    pub(crate) fn add_part<P: Compiled>(
        &self,
        kernels: &Kernels<P>,
        (images, run): (usize, usize),
        (input, grad): (&[P::Elem], &[P::Elem]),
        FrequencyPart { frequency, from }: FrequencyPart,
        into: &mut [P::Elem],
    ) {
        let full = P::full(kernels.level);
        let (vectors, tiles) = (TILE_VECTORS.min(self.vectors() - from), images * self.per_image);
        let (each_input, each_grad) = (FREQUENCIES * self.pitches.0, FREQUENCIES * self.pitches.1);
        assert_eq!((into.len(), full.lanes), (self.c_in * vectors * self.lanes, self.lanes));
        let reach = tiles * each_input + MOST_ROWS;
        assert!(reach <= input.len() && tiles * each_grad <= grad.len(), "tiles are missing");
        let places = |each: usize| (0..tiles).map(|tile| (tile * each) as u32).collect::<Vec<_>>();
        let (input_at, grad_at) = (places(each_input), places(each_grad));
        let grad = grad[frequency * self.pitches.1 + from * self.lanes..].as_ptr();
        let size = full.weight_tile(self.c_in);
        let run = run * self.per_image;
        for (input_at, grad_at) in input_at.chunks(run).zip(grad_at.chunks(run)) {
            let mut into = into.as_mut_ptr();
            for first in (0..self.c_in).step_by(size.rows) {
                let rows = size.rows.min(self.c_in - first);
                let input = input[frequency * self.pitches.0 + first..].as_ptr();
                let tile = WeightTile { input, input_at, grad, grad_at, into, rows };
                // SAFETY: the kernels fit the processor; a tile reads at most `MOST_ROWS` values from its first, and whole
                // vectors of the gradient, which is inside both by the assertion; `into` has `c_in` rows of `vectors` vectors.
                unsafe {
                    (size.weight_gradient[vectors - 1])(&tile);
                    into = into.add(rows * vectors * self.lanes);
                }
            }
        }
    }

    /// The gradient of the weight `[c_out, c_in, 3, 3]` from the sums.
    pub(crate) fn weight<E: Element>(&self, sums: &[E]) -> Vec<E> {
        let mut weight = vec![E::of(0.0); self.c_out * self.c_in * 9];
        let channels = TILE_VECTORS * self.lanes;
        let blocks = sums.par_chunks(FREQUENCIES * self.c_in * channels);
        weight.par_chunks_mut(channels * self.c_in * 9).zip(blocks).for_each(|(weight, sums)| {
            let width = sums.len() / (FREQUENCIES * self.c_in);
            for (o, weight) in weight.chunks_exact_mut(self.c_in * 9).enumerate() {
                for (i, entries) in weight.chunks_exact_mut(9).enumerate() {
                    let sum = |frequency: usize| sums[(frequency * self.c_in + i) * width + o].to_f64();
                    let kernel = kernel(std::array::from_fn(sum));
                    entries.iter_mut().zip(kernel).for_each(|(to, value)| *to = E::of(value));
                }
            }
        });
        weight
    }
}

/// `G^T u G`, the adjoint of the weights' transform.
fn kernel(u: [f64; FREQUENCIES]) -> [f64; 9] {
    let columns: [[f64; 3]; IN] = std::array::from_fn(|x| taps(std::array::from_fn(|y| u[y * IN + x])));
    let mut kernel = [0.0; 9];
    for y in 0..3 {
        kernel[3 * y..][..3].copy_from_slice(&taps(std::array::from_fn(|x| columns[x][y])));
    }
    kernel
}

fn taps(u: [f64; IN]) -> [f64; 3] {
    let (a2, b2) = (A * A, B * B);
    let (near, far) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    let (sum_a, gap_a, sum_b, gap_b) = (u[1] + u[2], u[1] - u[2], u[3] + u[4], u[3] - u[4]);
    [
        u[0] / (a2 * b2) + near * sum_a + far * sum_b,
        near * A * gap_a + far * B * gap_b,
        near * a2 * sum_a + far * b2 * sum_b + u[5],
    ]
}
