//! 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs instead of
//! 144 (Winograd 1980; Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//!
//! The interpolation points are 0, +-3/4, +-3/2 and infinity instead of the usual 0, +-1, +-2: in f32 that halves the
//! rounding error, to about four times a direct convolution's.

#![allow(unsafe_code, reason = "vector units on checked addresses")]

use rayon::prelude::*;

use crate::ConvGeometry;
use crate::aligned::Aligned;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::{Gate, TILE_VECTORS, adjoint_start, run_rows};
use crate::simd::{Element, Simd};
use crate::tile::{Finish, Segment};

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
pub(crate) struct Winograd<E> {
    c_in: usize,
    /// Vectors of output channels.
    vectors: usize,
    /// `[blocks of TILE_VECTORS vectors][frequency][c_in][vectors of the block]`.
    weights: Aligned<E>,
    bias: Aligned<E>,
    tiles: Vec<TilePlace>,
    per_image: usize,
    input: Map,
    output: Map,
    gate: Option<Map>,
}

/// Where a tile of outputs is read and written.
#[derive(Clone, Copy)]
pub(crate) struct TilePlace {
    input: usize,
    output: usize,
    gate: usize,
    /// Rows and columns inside the map.
    rows: usize,
    columns: usize,
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

impl<E: Element> Winograd<E> {
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
        fits && transformed * 10 < side * side * 9 * c_in * v_out * 9
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
        weight: &[E],
        bias: &[E],
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
        weight: &[E],
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
        weights: Aligned<E>,
        bias: &[E],
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
        kernels: &Kernels<E>,
        images: usize,
        (input, output): (&[E], &mut [E]),
        finish: Finish<E>,
        gate: Option<Gate<'_, E>>,
        room: &mut Room<E>,
    ) {
        let tiles = &self.tiles[..images * self.per_image];
        let (lanes, pitch) = (kernels.lanes, Map::new::<E>(1, self.c_in, (0, 0), kernels.lanes).pitch);
        let width = CHUNK * lanes;
        room.input.grow(self.tiles.len() * FREQUENCIES * pitch);
        room.output.grow(self.tiles.len() * FREQUENCIES * width);
        let (finish, gate) =
            gate.map_or((finish, None), |(values, slope)| (Finish::Gate(slope), Some(values)));
        let transform = Transform { tiles, map: &self.input, channels: self.c_in, pitch };
        kernels.transform_input(&transform, input, &mut room.input);
        for from in (0..self.vectors).step_by(CHUNK) {
            let chunk = CHUNK.min(self.vectors - from);
            self.multiply(kernels, tiles.len(), from, chunk, pitch, room);
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
        kernels: &Kernels<E>,
        tiles: usize,
        from: usize,
        chunk: usize,
        pitch: usize,
        room: &mut Room<E>,
    ) {
        let (lanes, width) = (kernels.lanes, CHUNK * kernels.lanes);
        let zeros = [E::ZERO; 64];
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

/// `G g G^T` of every pair of channels, in the order of [`Winograd::weights`].
fn transform_weights<E: Element>(
    lanes: usize,
    (c_in, c_out): (usize, usize),
    kernel: impl Fn(usize, usize) -> [f64; 9] + Sync,
) -> Aligned<E> {
    let mut weights = Aligned::zeroed(FREQUENCIES * c_in * c_out.next_multiple_of(lanes));
    let full = FREQUENCIES * c_in * TILE_VECTORS * lanes;
    weights.par_chunks_mut(full).enumerate().for_each(|(block, to)| {
        let width = to.len() / (FREQUENCIES * c_in);
        let from = block * TILE_VECTORS * lanes;
        for i in 0..c_in {
            for o in from..c_out.min(from + width) {
                let transformed = transform_kernel(kernel(i, o));
                for (frequency, value) in transformed.into_iter().enumerate() {
                    to[(frequency * c_in + i) * width + o - from] = E::of(value);
                }
            }
        }
    });
    weights
}

fn transform_kernel(g: [f64; 9]) -> [f64; FREQUENCIES] {
    let rows: [[f64; IN]; 3] = std::array::from_fn(|x| transform_taps(g[x], g[3 + x], g[6 + x]));
    let mut out = [0.0; FREQUENCIES];
    for y in 0..IN {
        out[y * IN..][..IN].copy_from_slice(&transform_taps(rows[0][y], rows[1][y], rows[2][y]));
    }
    out
}

/// The kernel's polynomial at the points, divided by the products of their distances.
fn transform_taps(g0: f64, g1: f64, g2: f64) -> [f64; IN] {
    let (a2, b2) = (A * A, B * B);
    let at = |p: f64| g0 + p * (g1 + p * g2);
    let (near, far) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    [g0 / (a2 * b2), near * at(A), near * at(-A), far * at(B), far * at(-B), g2]
}

/// `B^T d B` of every tile: from `map` to `[tile][frequency][pitch]`.
pub(crate) struct Transform<'a> {
    tiles: &'a [TilePlace],
    map: &'a Map,
    channels: usize,
    pitch: usize,
}

/// `A^T m A` of every tile, finished: from `[tile][frequency][CHUNK vectors]` to `vectors` vectors of channels
/// beginning with `from` of `map`.
pub(crate) struct Back<'a, E> {
    tiles: &'a [TilePlace],
    map: &'a Map,
    from: usize,
    vectors: usize,
    bias: &'a [E],
    finish: Finish<E>,
    gate: Option<&'a [E]>,
    gate_map: Option<&'a Map>,
}

#[inline(always)]
unsafe fn forward_line<S: Simd>(d: [S::Vector; IN]) -> [S::Vector; IN] {
    // SAFETY: the trait's contract.
    unsafe {
        let constant = |c: f64| S::splat(S::Elem::of(c));
        let (even_a, even_b) =
            (S::mul_add(d[2], constant(-B * B), d[4]), S::mul_add(d[2], constant(-A * A), d[4]));
        let odd_a = S::mul(S::mul_add(d[1], constant(-B * B), d[3]), constant(A));
        let odd_b = S::mul(S::mul_add(d[1], constant(-A * A), d[3]), constant(B));
        let ends = |x: S::Vector, y: S::Vector, z: S::Vector| {
            S::mul_add(x, constant(A * A * B * B), S::mul_add(y, constant(-A * A - B * B), z))
        };
        [
            ends(d[0], d[2], d[4]),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            ends(d[1], d[3], d[5]),
        ]
    }
}

#[inline(always)]
unsafe fn back_line<S: Simd>(m: [S::Vector; IN]) -> [S::Vector; OUT] {
    // SAFETY: the trait's contract.
    unsafe {
        let constant = |c: f64| S::splat(S::Elem::of(c));
        let (sum_a, gap_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_b, gap_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        let mix =
            |a: S::Vector, p: f64, b: S::Vector, q: f64| S::mul_add(a, constant(p), S::mul(b, constant(q)));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            mix(gap_a, A, gap_b, B),
            mix(sum_a, A * A, sum_b, B * B),
            S::add(mix(gap_a, A * A * A, gap_b, B * B * B), m[5]),
        ]
    }
}

/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn transform_input<S: Simd>(pass: &Transform<'_>, from: &[S::Elem], to: &mut [S::Elem]) {
    let (row, pixel) = (pass.map.row(), pass.map.pitch);
    let width = pass.channels.next_multiple_of(S::LANES);
    let reach = (IN - 1) * (row + pixel) + width;
    assert!(pass.tiles.iter().all(|tile| tile.input + reach <= from.len()), "a tile would leave its map");
    assert!(pass.tiles.len() * FREQUENCIES * pass.pitch <= to.len() && width <= pass.pitch && width <= pixel);
    for (t, tile) in pass.tiles.iter().enumerate() {
        for c in (0..width).step_by(S::LANES) {
            // SAFETY: all tiles lie inside their maps, checked above.
            unsafe {
                let from = from.as_ptr().add(tile.input + c);
                let to = to.as_mut_ptr().add(t * FREQUENCIES * pass.pitch + c);
                let zero = S::splat(S::Elem::ZERO);
                let mut half = [[zero; IN]; IN]; // [column][frequency]
                for (x, column) in half.iter_mut().enumerate() {
                    let mut d = [zero; IN];
                    for (y, d) in d.iter_mut().enumerate() {
                        *d = S::load(from.add(y * row + x * pixel));
                    }
                    *column = forward_line::<S>(d);
                }
                for y in 0..IN {
                    let mut d = [zero; IN];
                    for (d, column) in d.iter_mut().zip(&half) {
                        *d = column[y];
                    }
                    for (x, value) in forward_line::<S>(d).into_iter().enumerate() {
                        S::store(to.add((y * IN + x) * pass.pitch), value);
                    }
                }
            }
        }
    }
}

/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn transform_output<S: Simd>(
    pass: &Back<'_, S::Elem>,
    from: &[S::Elem],
    to: &mut [S::Elem],
) {
    let (row, pixel, width) = (pass.map.row(), pass.map.pitch, CHUNK * S::LANES);
    let end = pass.from + pass.vectors * S::LANES;
    let inside = |at: usize, tile: &TilePlace, map: &Map, len: usize| {
        at + (tile.rows - 1) * map.row() + (tile.columns - 1) * map.pitch + end <= len
    };
    assert!(
        pass.tiles.iter().all(|tile| inside(tile.output, tile, pass.map, to.len())),
        "a tile would leave its map"
    );
    assert!(
        pass.tiles.len() * FREQUENCIES * width <= from.len() && pass.bias.len() >= pass.vectors * S::LANES
    );
    let gate = pass.gate.zip(pass.gate_map);
    if let Some((values, map)) = gate {
        assert!(
            pass.tiles.iter().all(|tile| inside(tile.gate, tile, map, values.len())),
            "a gate is too short"
        );
    }
    for (t, tile) in pass.tiles.iter().enumerate() {
        for v in 0..pass.vectors {
            let c = v * S::LANES;
            // SAFETY: all tiles lie inside their maps and buffers, checked above.
            unsafe {
                let from = from.as_ptr().add(t * FREQUENCIES * width + c);
                let to = to.as_mut_ptr().add(tile.output + pass.from + c);
                let bias = S::load(pass.bias.as_ptr().add(c));
                let zero = S::splat(S::Elem::ZERO);
                let mut half = [[zero; OUT]; IN]; // [column frequency][row]
                for (x, column) in half.iter_mut().enumerate() {
                    let mut m = [zero; IN];
                    for (y, m) in m.iter_mut().enumerate() {
                        *m = S::load(from.add((y * IN + x) * width));
                    }
                    *column = back_line::<S>(m);
                }
                for y in 0..tile.rows {
                    let mut m = [zero; IN];
                    for (m, column) in m.iter_mut().zip(&half) {
                        *m = column[y];
                    }
                    let line = back_line::<S>(m);
                    for (x, value) in line.into_iter().enumerate().take(tile.columns) {
                        let value = S::add(value, bias);
                        let value = match (pass.finish, gate) {
                            (Finish::Leaky(slope), _) => {
                                S::if_positive(value, value, S::mul(value, S::splat(slope)))
                            }
                            (Finish::Gate(slope), Some((values, map))) => {
                                let at = tile.gate + y * map.row() + x * map.pitch + pass.from + c;
                                let gate = S::load(values.as_ptr().add(at));
                                S::if_positive(gate, value, S::mul(value, S::splat(slope)))
                            }
                            _ => value,
                        };
                        S::store(to.add(y * row + x * pixel), value);
                    }
                }
            }
        }
    }
}
