use std::sync::{Mutex, PoisonError};

use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::finish::Finish;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::product::run_rows;
use crate::share::Shared;
use crate::taps::adjoint_start;
use crate::target::Gate;
use crate::tile::{Segment, TILE_VECTORS};
use crate::winograd::filter::{CHUNK, LARGE, Sizes};
use crate::winograd::fixed::FixedRoom;
use crate::winograd::room::Room;
use crate::winograd::transform::{Back, Side, Spacing, Steps, TilePlace, Transform};
use crate::winograd_layout::{entries, phase_starts, phases, places, tile_side};
use crate::winograd_weights::{Transformed, Untransformed};
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

impl<P: Compiled> Winograd<P> {
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
            bias: Aligned::padded(bias, c_out.next_multiple_of(kernels.lanes)),
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
                bias: Aligned::zeroed(c_in.next_multiple_of(kernels.lanes)),
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
