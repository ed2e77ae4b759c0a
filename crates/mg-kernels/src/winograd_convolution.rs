use std::sync::{Mutex, PoisonError};

use candle_core::WithDType;

use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::finish::Finish;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::product::run_rows;
use crate::share::Shared;
use crate::taps::adjoint_start;
use crate::target::Gate;
use crate::tile::{Segment, TILE_VECTORS};
use crate::winograd::filter::{CHUNK, FREQUENCIES, OUT};
use crate::winograd::fixed::{FixedKernels, FixedRoom};
use crate::winograd::fixed_weights::FixedWeights;
use crate::winograd::transform::{Back, TilePlace, Transform};
use crate::winograd::weights::transform_weights;
use crate::{ConvGeometry, Window};

/// A 3x3 convolution between two maps, with its weights transformed.
pub(crate) struct Winograd<P: Format> {
    c_in: usize,
    /// Vectors of output channels.
    vectors: usize,
    weights: Weights<P::Elem>,
    bias: Aligned<P::Elem>,
    tiles: Vec<TilePlace>,
    per_image: usize,
    input: Map,
    output: Map,
    gate: Option<Map>,
}

/// Transformed weights.
enum Weights<E: 'static> {
    /// `[blocks of TILE_VECTORS vectors][frequency][c_in][vectors of the block]`.
    Whole(Aligned<E>),
    Fixed(FixedWeights, &'static FixedKernels<E>),
}

/// Memory for transformed tiles.
pub(crate) struct Room<E> {
    /// `[tile][frequency][c_in]`.
    input: Aligned<E>,
    /// `[tile][frequency][channels of a chunk]`.
    output: Aligned<E>,
    fixed: FixedRoom,
}

impl<E: Element> Room<E> {
    pub(crate) fn empty() -> Self {
        Self { input: Aligned::zeroed(0), output: Aligned::zeroed(0), fixed: FixedRoom::empty() }
    }
}

impl<P: Compiled> Winograd<P> {
    /// Whether this is faster than a direct convolution to maps of `side`, by estimated cycles per image.
    pub(crate) fn pays(
        window: &Window,
        side: usize,
        (c_in, c_out): (usize, usize),
        kernels: &Kernels<P>,
    ) -> bool {
        window.kernel == [3, 3]
            && window.stride == 1
            && Self::pays_for(9 * c_in, side, (c_in, c_out), kernels)
    }

    /// The same where a direct convolution reads so many values for an output.
    pub(crate) fn pays_for(
        depth: usize,
        side: usize,
        (c_in, c_out): (usize, usize),
        kernels: &Kernels<P>,
    ) -> bool {
        let lanes = kernels.lanes;
        let (v_in, v_out) = (c_in.div_ceil(lanes), c_out.div_ceil(lanes));
        let tiles = side.div_ceil(OUT).pow(2);
        let transformed = tiles * (FREQUENCIES * c_in * v_out + 400 * v_in + 400 * v_out);
        c_in >= lanes
            && c_out >= lanes
            && P::tile_unit(kernels.level).is_none()
            && transformed * 10 < side * side * depth.div_ceil(P::GROUP) * v_out * 9
    }

    /// Rows and columns of zeros that the last tiles read beyond a map of outputs of `side`.
    pub(crate) fn overhang(side: usize) -> usize {
        side.next_multiple_of(OUT) - side
    }

    /// Tiles of one map of outputs of `side`.
    pub(crate) fn tiles(side: usize) -> usize {
        side.div_ceil(OUT).pow(2)
    }

    pub(crate) fn forward(
        kernels: &Kernels<P>,
        window: &Window,
        (c_in, c_out): (usize, usize),
        (weight, bias): (&[P::Elem], &[P::Elem]),
        (input, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let kernel = |i: usize, o: usize| {
            let from = &weight[(o * c_in + i) * 9..][..9];
            std::array::from_fn(|k| from[k].to_f64())
        };
        let tiles = places(block, (input, input.window(window, 0, 0, 0)), output, None);
        let weights = transform_weights(kernels.lanes, (c_in, c_out), kernel);
        Self::of(kernels, (c_in, c_out), weights, bias, tiles, (input, output, None))
    }

    /// The adjoint, a 3x3 convolution with the kernel turned round.
    pub(crate) fn adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        gate: Option<&Map>,
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, .. } = *geometry;
        let kernel = |o: usize, i: usize| {
            let from = &weight[(o * c_in + i) * 9..][..9];
            std::array::from_fn(|k| from[8 - k].to_f64())
        };
        let tiles = places(block, (grad, adjoint_start(geometry, grad)), output, gate);
        let weights = transform_weights(kernels.lanes, (c_out, c_in), kernel);
        Self::of(kernels, (c_out, c_in), weights, &[], tiles, (grad, output, gate))
    }

    fn of(
        kernels: &Kernels<P>,
        (c_in, c_out): (usize, usize),
        weights: Aligned<P::Elem>,
        bias: &[P::Elem],
        tiles: Vec<TilePlace>,
        (input, output, gate): (&Map, &Map, Option<&Map>),
    ) -> Self {
        let vectors = c_out.div_ceil(kernels.lanes);
        let mut padded = Aligned::zeroed(vectors * kernels.lanes);
        padded[..bias.len()].copy_from_slice(bias);
        let weights = match P::fixed(kernels.level) {
            Some(fixed) => {
                Weights::Fixed(FixedWeights::new(&weights, kernels.lanes, c_in, FREQUENCIES), fixed)
            }
            None => Weights::Whole(weights),
        };
        Self {
            c_in,
            vectors,
            weights,
            bias: padded,
            tiles,
            per_image: Self::tiles(output.side),
            input: *input,
            output: *output,
            gate: gate.copied(),
        }
    }

    /// Convolves a block's maps of `input` into `output`.
    pub(crate) fn run(
        &self,
        kernels: &Kernels<P>,
        block: Block,
        (input, output): (&[P::Stored], &mut [P::Stored]),
        finish: Finish<P::Elem>,
        gate: Option<Gate<'_, P>>,
        room: &mut Room<P::Elem>,
    ) {
        let tiles = &self.tiles[..block.images * self.per_image];
        let (finish, gate) =
            gate.map_or((finish, None), |(values, slope)| (Finish::Gate(slope), Some(values)));
        self.take_in(kernels, tiles, input, room);
        let chunks = self.vectors.div_ceil(CHUNK);
        let each = self.tiles.len() * FREQUENCIES * CHUNK * kernels.lanes;
        room.output.grow(if block.split { chunks * each } else { each });
        let products: Vec<_> = room.output.chunks_exact_mut(each).map(Mutex::new).collect();
        let (input, fixed, output) = (&room.input, &room.fixed, Shared::new(output));
        block.each(chunks, |chunk| {
            let products =
                &mut *products[chunk % products.len()].lock().unwrap_or_else(PoisonError::into_inner);
            let (from, vectors) = (chunk * CHUNK, CHUNK.min(self.vectors - chunk * CHUNK));
            for sub in (0..vectors).step_by(TILE_VECTORS) {
                self.multiply(kernels, tiles.len(), from + sub, sub, (input, fixed), products);
            }
            let back = Back {
                tiles,
                map: &self.output,
                from: from * kernels.lanes,
                vectors,
                bias: &self.bias[from * kernels.lanes..],
                finish,
                gate,
                gate_map: self.gate.as_ref(),
            };
            kernels.transform_output(&back, products, output);
        });
    }

    /// Values from one frequency to the next in a transformed tile.
    fn pitch(&self, lanes: usize) -> usize {
        Map::new::<P::Elem>(1, self.c_in, (0, 0), lanes).pitch
    }

    /// Transforms the input.
    fn take_in(
        &self,
        kernels: &Kernels<P>,
        tiles: &[TilePlace],
        input: &[P::Stored],
        room: &mut Room<P::Elem>,
    ) {
        let pitch = self.pitch(kernels.lanes);
        let transform = |tiles| Transform { tiles, map: &self.input, channels: self.c_in, pitch };
        match &self.weights {
            Weights::Whole(_) => {
                room.input.grow(self.tiles.len() * FREQUENCIES * pitch);
                kernels.transform_input(&transform(tiles), input, &mut room.input);
            }
            Weights::Fixed(weights, fixed) => {
                room.input.grow(FREQUENCIES * pitch);
                for tile in 0..tiles.len() {
                    kernels.transform_input(&transform(&tiles[tile..=tile]), input, &mut room.input);
                    fixed.load(weights, (&room.input, pitch), (tile, tiles.len()), &mut room.fixed);
                }
            }
        }
    }

    /// The products of all frequencies for the vectors of output channels from number `from` on, one block of them, to
    /// vector `sub` of `products`.
    fn multiply(
        &self,
        kernels: &Kernels<P>,
        tiles: usize,
        from: usize,
        sub: usize,
        (input, fixed_input): (&[P::Elem], &FixedRoom),
        products: &mut [P::Elem],
    ) {
        let (lanes, width) = (kernels.lanes, CHUNK * kernels.lanes);
        let vectors = TILE_VECTORS.min(self.vectors - from);
        let zeros = [P::Elem::ZERO; 64];
        for frequency in 0..FREQUENCIES {
            let to = (frequency * width + sub * lanes, FREQUENCIES * width);
            match &self.weights {
                Weights::Whole(weights) => {
                    let (pitch, depth) = (self.pitch(lanes), self.c_in);
                    let weights = &weights[(from * FREQUENCIES + frequency * vectors) * lanes * depth..];
                    run_rows(
                        P::full(kernels.level),
                        tiles,
                        Segment { offset: 0, len: depth },
                        (input, (frequency * pitch, FREQUENCIES * pitch)),
                        (products, to),
                        &weights[..depth * vectors * lanes],
                        &zeros,
                    );
                }
                Weights::Fixed(weights, fixed) => {
                    let block = (from / TILE_VECTORS, vectors);
                    fixed.multiply(weights, block, (frequency, tiles), fixed_input, (products, to.0, to.1));
                }
            }
        }
    }
}

fn places(block: usize, (input, start): (&Map, usize), output: &Map, gate: Option<&Map>) -> Vec<TilePlace> {
    let corners = (0..output.side).step_by(OUT);
    let corners = corners.clone().flat_map(|y| corners.clone().map(move |x| (y, x)));
    let place = |n: usize, (y, x): (usize, usize)| TilePlace {
        input: start + n * input.image() + y * input.row() + x * input.pitch,
        output: output.at(n, y, x),
        gate: gate.map_or(0, |gate| gate.at(n, y, x)),
        rows: OUT.min(output.side - y),
        columns: OUT.min(output.side - x),
    };
    (0..block).flat_map(|n| corners.clone().map(move |corner| place(n, corner))).collect()
}
