//! 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs instead of
//! 144 (Winograd 1980; Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//!
//! The interpolation points are 0, +-3/4, +-3/2 and infinity instead of the usual 0, +-1, +-2: in f32 that halves the
//! rounding error, to about four times a direct convolution's.

mod transform;
mod weights;

pub(crate) use transform::{Back, Transform, transform_input, transform_output};

use crate::ConvGeometry;
use crate::aligned::Aligned;
use crate::aligned::Number;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::{Gate, TILE_VECTORS, adjoint_start, run_rows};
use crate::simd::Element;
use crate::tile::{Finish, Segment};
use candle_core::WithDType;
use transform::TilePlace;
use weights::transform_weights;

/// Side of a tile of outputs.
const OUT: usize = 4;
/// Side of the tile of inputs it needs, and of the transformed tile.
const IN: usize = 6;
/// Values of a transformed tile: independent products of matrices.
const FREQUENCIES: usize = IN * IN;
/// Vectors of output channels taken through all frequencies at once, so that a transformed input is read that much
/// less often.
const CHUNK: usize = 2 * TILE_VECTORS;

/// The positive finite points.
const A: f64 = 0.75;
const B: f64 = 1.5;

/// A 3x3 convolution between two maps, with its weights transformed.
pub(crate) struct Winograd<P: Format> {
    c_in: usize,
    /// Vectors of output channels.
    vectors: usize,
    /// `[blocks of TILE_VECTORS vectors][frequency][c_in][vectors of the block]`.
    weights: Aligned<P::Elem>,
    bias: Aligned<P::Elem>,
    tiles: Vec<TilePlace>,
    per_image: usize,
    input: Map,
    output: Map,
    gate: Option<Map>,
}

/// Memory for transformed tiles.
pub(crate) struct Room<E> {
    /// `[tile][frequency][c_in]`.
    input: Aligned<E>,
    /// `[tile][frequency][channels of a chunk]`.
    output: Aligned<E>,
}

impl<E: Element> Room<E> {
    pub(crate) fn empty() -> Self {
        Self { input: Aligned::zeroed(0), output: Aligned::zeroed(0) }
    }
}

impl<P: Format> Winograd<P> {
    /// Whether this is faster than a direct convolution to maps of `side`, by estimated cycles per image.
    pub(crate) fn pays(
        geometry: &ConvGeometry,
        side: usize,
        (c_in, c_out): (usize, usize),
        lanes: usize,
    ) -> bool {
        let (v_in, v_out) = (c_in.div_ceil(lanes), c_out.div_ceil(lanes));
        let tiles = side.div_ceil(OUT).pow(2);
        let transformed = tiles * (FREQUENCIES * c_in * v_out + 400 * v_in + 400 * v_out);
        let fits = geometry.kernel == 3 && geometry.stride == 1 && c_in >= lanes && c_out >= lanes;
        fits && transformed * 10 < side * side * 9 * c_in.div_ceil(P::GROUP) * v_out * 9
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
        lanes: usize,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        bias: &[P::Elem],
        (input, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, .. } = *geometry;
        let kernel = |i: usize, o: usize| {
            let from = &weight[(o * c_in + i) * 9..][..9];
            std::array::from_fn(|k| from[k].to_f64())
        };
        let tiles = places(block, (input, 0), output, None);
        let weights = transform_weights(lanes, (c_in, c_out), kernel);
        Self::of(lanes, (c_in, c_out), weights, bias, tiles, (input, output, None))
    }

    /// The adjoint, a 3x3 convolution with the kernel turned round.
    pub(crate) fn adjoint(
        lanes: usize,
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
        let weights = transform_weights(lanes, (c_out, c_in), kernel);
        Self::of(lanes, (c_out, c_in), weights, &[], tiles, (grad, output, gate))
    }

    fn of(
        lanes: usize,
        (c_in, c_out): (usize, usize),
        weights: Aligned<P::Elem>,
        bias: &[P::Elem],
        tiles: Vec<TilePlace>,
        (input, output, gate): (&Map, &Map, Option<&Map>),
    ) -> Self {
        let vectors = c_out.div_ceil(lanes);
        let mut padded = Aligned::zeroed(vectors * lanes);
        padded[..bias.len()].copy_from_slice(bias);
        let per_image = Self::tiles(output.side);
        Self {
            c_in,
            vectors,
            weights,
            bias: padded,
            tiles,
            per_image,
            input: *input,
            output: *output,
            gate: gate.copied(),
        }
    }

    /// Convolves `images` maps of `input` into `output`.
    pub(crate) fn run(
        &self,
        kernels: &Kernels<P>,
        images: usize,
        (input, output): (&[P::Stored], &mut [P::Stored]),
        finish: Finish<P::Elem>,
        gate: Option<Gate<'_, P>>,
        room: &mut Room<P::Elem>,
    ) {
        let tiles = &self.tiles[..images * self.per_image];
        let (lanes, pitch) = (kernels.lanes, Map::new::<P::Elem>(1, self.c_in, (0, 0), kernels.lanes).pitch);
        let width = CHUNK * lanes;
        room.input.grow(self.tiles.len() * FREQUENCIES * pitch);
        room.output.grow(self.tiles.len() * FREQUENCIES * width);
        let (finish, gate) =
            gate.map_or((finish, None), |(values, slope)| (Finish::Gate(slope), Some(values)));
        let transform = Transform { tiles, map: &self.input, channels: self.c_in, pitch };
        kernels.transform_input(&transform, input, &mut room.input);
        for from in (0..self.vectors).step_by(CHUNK) {
            let chunk = CHUNK.min(self.vectors - from);
            self.multiply(P::Full::kernels(kernels.level), tiles.len(), from, chunk, pitch, room);
            let bias = &self.bias[from * lanes..];
            let back = Back {
                tiles,
                map: &self.output,
                from: from * lanes,
                vectors: chunk,
                bias,
                finish,
                gate,
                gate_map: self.gate.as_ref(),
            };
            kernels.transform_output(&back, &room.output, output);
        }
    }

    /// The products of all frequencies for a chunk of output channels.
    fn multiply(
        &self,
        kernels: &Kernels<P::Full>,
        tiles: usize,
        from: usize,
        chunk: usize,
        pitch: usize,
        room: &mut Room<P::Elem>,
    ) {
        let (lanes, width) = (kernels.lanes, CHUNK * kernels.lanes);
        let zeros = [P::Elem::ZERO; 64];
        for frequency in 0..FREQUENCIES {
            for sub in (0..chunk).step_by(TILE_VECTORS) {
                let vectors = TILE_VECTORS.min(chunk - sub);
                let start =
                    (from + sub) * lanes * FREQUENCIES * self.c_in + frequency * self.c_in * vectors * lanes;
                let weights = &self.weights[start..start + self.c_in * vectors * lanes];
                let input = (frequency * pitch, FREQUENCIES * pitch);
                let output = (frequency * width + sub * lanes, FREQUENCIES * width);
                let segment = Segment { offset: 0, len: self.c_in };
                run_rows(
                    kernels,
                    tiles,
                    segment,
                    (&room.input, input),
                    (&mut room.output, output),
                    weights,
                    &zeros,
                );
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
