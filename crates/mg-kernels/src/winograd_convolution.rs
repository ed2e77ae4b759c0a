use std::sync::{Mutex, PoisonError};

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
use crate::winograd::filter::{CHUNK, LARGE, SMALL, Sizes};
use crate::winograd::fixed::FixedRoom;
use crate::winograd::transform::{Back, Side, Spacing, Steps, TilePlace, Transform};
use crate::winograd_weights::{Phase, Transformed, Untransformed};
use crate::{ConvGeometry, Window};

/// A convolution between two maps with its weights transformed, whose kernel has two or three rows and columns per step of its
/// stride.
///
/// With stride `s`, the pixels that are `s` apart from each other in rows and columns are a phase of the input: what the
/// convolution makes of it is a convolution with stride 1 by the entries of the kernel that are `s` apart. Products of
/// transformed tiles sum over all phases.
pub(crate) struct Winograd<P: Format> {
    sizes: Sizes,
    /// Where each phase begins after a tile's first value.
    phases: Vec<usize>,
    /// Channels of a phase.
    c_in: usize,
    /// Vectors of output channels.
    vectors: usize,
    weights: Transformed<P::Elem>,
    bias: Aligned<P::Elem>,
    tiles: Vec<TilePlace>,
    per_image: usize,
    input: Steps,
    output: Steps,
    gate: Option<Steps>,
}

/// Memory for transformed tiles.
pub(crate) struct Room<E> {
    /// `[tile][frequency][phase, c_in]`.
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
    /// Whether this is faster than a direct convolution with stride 1 to maps of `side`, by estimated cycles per image.
    pub(crate) fn pays(
        window: &Window,
        side: usize,
        (c_in, c_out): (usize, usize),
        kernels: &Kernels<P>,
    ) -> bool {
        let lanes = kernels.lanes;
        let (v_in, v_out) = (c_in.div_ceil(lanes), c_out.div_ceil(lanes));
        let transformed = Self::tiles(side) * cycles(Sizes::of(LARGE, (3, 3)), (c_in, v_in, v_out), 1);
        window.kernel == [3, 3]
            && window.stride == 1
            && c_in >= lanes
            && c_out >= lanes
            && P::tile_unit(kernels.level).is_none()
            && transformed * 10 < side * side * (9 * c_in).div_ceil(P::GROUP) * v_out * 9
    }

    /// The same for a convolution with stride 2 and its adjoint together.
    pub(crate) fn pays_strided(conv: &ConvGeometry, side: usize, kernels: &Kernels<P>) -> bool {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *conv;
        let lanes = kernels.lanes;
        let (v_in, v_out) = (c_in.div_ceil(lanes), c_out.div_ceil(lanes));
        let (out, taps) = (tile_side(side), kernel.div_ceil(2));
        let group = if P::fixed(kernels.level).is_some() { P::GROUP } else { 1 };
        let ahead = cycles(Sizes::of(out, (taps, taps)), (4 * c_in, 4 * v_in, v_out), group);
        let phases = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(y, x)| {
            let sizes = Sizes::of(out, (entries(conv, y).len(), entries(conv, x).len()));
            cycles(sizes, (c_out, v_out, v_in), group)
        });
        let direct = |depth: usize, vectors| side * side * depth.div_ceil(P::GROUP) * vectors;
        let direct = direct(kernel * kernel * c_in, v_out) + direct(kernel * kernel * c_out, v_in);
        stride == 2
            && (4..=6).contains(&kernel)
            && c_in.is_multiple_of(lanes)
            && c_out >= lanes
            && P::tile_unit(kernels.level).is_none()
            && side.div_ceil(out).pow(2) * (ahead + phases.iter().sum::<usize>()) * 10 < direct * 9
    }

    /// Rows and columns of zeros that the last tiles read beyond a map of outputs of `side`.
    pub(crate) fn overhang(side: usize) -> usize {
        side.next_multiple_of(LARGE) - side
    }

    /// Rows and columns of zeros that tiles read after a map of `side` whose window has outputs of side `out`.
    pub(crate) fn halo_after(window: &Window, side: usize, out: usize) -> usize {
        let (stride, taps) = (window.stride, window.kernel[0].div_ceil(window.stride));
        (stride * (out.next_multiple_of(LARGE) + taps - 1)).saturating_sub(side + window.before[0])
    }

    /// Tiles of one map of outputs of `side`.
    pub(crate) fn tiles(side: usize) -> usize {
        side.div_ceil(LARGE).pow(2)
    }

    pub(crate) fn forward(
        kernels: &Kernels<P>,
        window: &Window,
        (c_in, c_out): (usize, usize),
        (weight, bias): (&[P::Elem], &[P::Elem]),
        (input, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ([side, _], stride) = (window.kernel, window.stride);
        let (taps, out) = (side.div_ceil(stride), if stride == 1 { LARGE } else { tile_side(output.side) });
        let sizes = Sizes::of(out, (taps, taps));
        let (phases, steps) = (phases(side, stride), (side * side, c_in * side * side));
        let weights = Untransformed { sizes, phases: &phases, channels: (c_in, c_out), side, weight, steps };
        let place = |n, y, x| (input.window(window, n, y, x), output.at(n, y, x), 0);
        Self {
            sizes,
            phases: phase_starts(input, stride),
            c_in,
            vectors: c_out.div_ceil(kernels.lanes),
            weights: weights.transformed(kernels),
            bias: padded(kernels.lanes, c_out, bias),
            tiles: places(block, out, (output.side, output.side), place),
            per_image: output.side.div_ceil(out).pow(2),
            input: Steps::of(input, stride),
            output: Steps::of(output, 1),
            gate: None,
        }
    }

    /// The adjoint: for each phase of the stride, a convolution of the gradient with its share of the kernel.
    pub(crate) fn adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        gate: Option<&Map>,
        block: usize,
    ) -> Vec<Self> {
        let ConvGeometry { c_in, c_out, kernel: side, stride, .. } = *geometry;
        let out = if stride == 1 { LARGE } else { tile_side(grad.side) };
        let phase = |ry: usize, rx: usize| {
            let (rows, columns) = (entries(geometry, ry), entries(geometry, rx));
            let sizes = Sizes::of(out, (rows.len(), columns.len()));
            let low = geometry.adjoint_reach().0;
            let first = |phase: usize, entries: &[usize]| {
                (geometry.adjoint_offset(phase, entries[0]).unwrap_or(low) - low) as usize
            };
            let start = adjoint_start(geometry, grad)
                + first(ry, &rows) * grad.row()
                + first(rx, &columns) * grad.pitch;
            let (phases, steps) = (&[(rows, columns)][..], (c_in * side * side, side * side));
            let weights = Untransformed { sizes, phases, channels: (c_out, c_in), side, weight, steps };
            let place = |n, y, x| {
                let at = |map: &Map| map.at(n, stride * y + ry, stride * x + rx);
                (start + n * grad.image() + y * grad.row() + x * grad.pitch, at(output), gate.map_or(0, at))
            };
            let sides = ((output.side - ry).div_ceil(stride), (output.side - rx).div_ceil(stride));
            Self {
                sizes,
                phases: vec![0],
                c_in: c_out,
                vectors: c_in.div_ceil(kernels.lanes),
                weights: weights.transformed(kernels),
                bias: padded(kernels.lanes, c_in, &[]),
                tiles: places(block, out, sides, place),
                per_image: sides.0.div_ceil(out) * sides.1.div_ceil(out),
                input: Steps::of(grad, 1),
                output: Steps::of(output, stride),
                gate: gate.map(|gate| Steps::of(gate, stride)),
            }
        };
        let phases = 0..stride.min(output.side);
        phases
            .clone()
            .flat_map(|ry| phases.clone().map(move |rx| (ry, rx)))
            .map(|(ry, rx)| phase(ry, rx))
            .collect()
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
        let each = self.tiles.len() * self.sizes.frequencies() * CHUNK * kernels.lanes;
        let at_once = if block.split { chunks } else { 1 };
        room.output.grow(at_once * each);
        let products: Vec<_> = room.output.chunks_exact_mut(each).take(at_once).map(Mutex::new).collect();
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
                steps: self.output,
                sizes: self.sizes,
                from: from * kernels.lanes,
                vectors,
                bias: &self.bias[from * kernels.lanes..],
                finish,
                gate: gate.zip(self.gate),
            };
            kernels.transform_output(&back, products, output);
        });
    }

    /// Channels of all phases.
    fn depth(&self) -> usize {
        self.phases.len() * self.c_in
    }

    /// Values from one frequency to the next in a transformed tile.
    fn pitch(&self, lanes: usize) -> usize {
        Map::new::<P::Elem>(1, self.depth(), (0, 0), lanes).pitch
    }

    /// Transforms the input.
    fn take_in(
        &self,
        kernels: &Kernels<P>,
        tiles: &[TilePlace],
        input: &[P::Stored],
        room: &mut Room<P::Elem>,
    ) {
        let (pitch, sizes, frequencies) = (self.pitch(kernels.lanes), self.sizes, self.sizes.frequencies());
        let spacing = Spacing { tile: frequencies * pitch, frequency: pitch };
        let transform = |tiles, to: &mut [P::Elem]| {
            let (steps, channels) = (self.input, self.c_in);
            let pass = Transform { tiles, steps, channels, to: spacing, sizes, of: Side::Input };
            for (number, start) in self.phases.iter().enumerate() {
                kernels.transform(&pass, &input[*start..], &mut to[number * self.c_in..]);
            }
        };
        match &self.weights {
            Transformed::Whole(_) => {
                room.input.grow(self.tiles.len() * frequencies * pitch);
                transform(tiles, &mut room.input);
            }
            Transformed::Fixed(weights, fixed) => {
                room.input.grow(frequencies * pitch);
                for tile in 0..tiles.len() {
                    transform(&tiles[tile..=tile], &mut room.input);
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
        let (zeros, frequencies) = ([P::Elem::ZERO; 64], self.sizes.frequencies());
        for frequency in 0..frequencies {
            let to = (frequency * width + sub * lanes, frequencies * width);
            match &self.weights {
                Transformed::Whole(weights) => {
                    let (pitch, depth) = (self.pitch(lanes), self.depth());
                    let weights = &weights[(from * frequencies + frequency * vectors) * lanes * depth..];
                    run_rows(
                        P::full(kernels.level),
                        tiles,
                        Segment { offset: 0, len: depth },
                        (input, (frequency * pitch, frequencies * pitch)),
                        (products, to),
                        &weights[..depth * vectors * lanes],
                        &zeros,
                    );
                }
                Transformed::Fixed(weights, fixed) => {
                    let block = (from / TILE_VECTORS, vectors);
                    fixed.multiply(weights, block, (frequency, tiles), fixed_input, (products, to.0, to.1));
                }
            }
        }
    }
}

/// Where the phases of a map begin: the first pixels of every stride in both directions.
pub(crate) fn phase_starts(map: &Map, stride: usize) -> Vec<usize> {
    (0..stride).flat_map(|y| (0..stride).map(move |x| y * map.row() + x * map.pitch)).collect()
}

/// The phases of a kernel: entries that are a stride apart.
pub(crate) fn phases(side: usize, stride: usize) -> Vec<Phase> {
    let phase = |first: usize| (first..side).step_by(stride).collect::<Vec<_>>();
    (0..stride).flat_map(|y| (0..stride).map(move |x| (phase(y), phase(x)))).collect()
}

/// Rows of the kernel whose gradients meet at this phase of the input, in the order of these.
fn entries(conv: &ConvGeometry, phase: usize) -> Vec<usize> {
    (0..conv.kernel).rev().filter(|k| conv.adjoint_offset(phase, *k).is_some()).collect()
}

/// Cycles of a tile: of products over a depth, `group` values at once, and of transforms of vectors.
fn cycles(sizes: Sizes, (depth, v_in, v_out): (usize, usize, usize), group: usize) -> usize {
    sizes.frequencies() * (depth.div_ceil(group) * v_out + 11 * (v_in + v_out))
}

/// A bias for whole vectors of channels.
fn padded<E: Element>(lanes: usize, channels: usize, bias: &[E]) -> Aligned<E> {
    let mut padded = Aligned::zeroed(channels.next_multiple_of(lanes));
    padded[..bias.len()].copy_from_slice(bias);
    padded
}

/// Side of the tiles of a convolution with a stride, to maps of `side`.
pub(crate) fn tile_side(side: usize) -> usize {
    if side < 2 * LARGE { SMALL } else { LARGE }
}

/// Tiles of side `out` of outputs of so many rows and columns; `place(image, y, x)` gives the addresses of the input, the output and the gate.
pub(crate) fn places(
    block: usize,
    out: usize,
    (rows, columns): (usize, usize),
    place: impl Fn(usize, usize, usize) -> (usize, usize, usize),
) -> Vec<TilePlace> {
    let corners = (0..rows).step_by(out).flat_map(|y| (0..columns).step_by(out).map(move |x| (y, x)));
    let place = |(n, (y, x))| {
        let (input, output, gate) = place(n, y, x);
        TilePlace { input, output, gate, rows: out.min(rows - y), columns: out.min(columns - x) }
    };
    (0..block).flat_map(|n| corners.clone().map(move |corner| (n, corner))).map(place).collect()
}
