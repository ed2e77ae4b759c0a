#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use crate::aligned::Aligned;
use crate::block::Block;
use crate::finish::Finish;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::panel::Panel;
use crate::places::Places;
use crate::target::{Gate, Target};
use crate::tile::{Segment, TILE_VECTORS, Tile};
use crate::tile_unit::{SIDE, TileUnit};

/// A convolution between two maps with its weights in the order the tiles read them: a forward convolution, or
/// one phase of an input adjoint (every adjoint is a set of stride-1 convolutions of the gradient).
pub(crate) struct Packed<P: Format> {
    /// What a pixel reads, relative to its address in `places.input`.
    pub(crate) segments: Vec<Segment>,
    /// `[blocks of TILE_VECTORS vectors][depth in groups][vectors of the block][group]`.
    pub(crate) weights: Aligned<P::Stored>,
    pub(crate) bias: Aligned<P::Elem>,
    /// Sum of the segments' lengths, which are whole groups.
    pub(crate) depth: usize,
    /// Vectors of output channels.
    pub(crate) vectors: usize,
    pub(crate) places: Places,
    /// In place of segments and weights, where there is a tile unit.
    pub(crate) panel: Option<(Panel<P>, &'static TileUnit<P>)>,
}

impl<P: Format> Packed<P> {
    /// Convolves a block's maps of `input` into `output`.
    pub(crate) fn run(
        &self,
        kernels: &Kernels<P>,
        block: Block,
        input: &[P::Stored],
        output: Target<'_, P>,
        finish: Finish<P::Elem>,
        gate: Option<Gate<'_, P>>,
    ) {
        let pixels = block.images * self.places.per_image;
        let width = self.vectors * kernels.lanes;
        let reach = match &self.panel {
            Some((panel, _)) => panel.reach(),
            None => self.segments.iter().map(|s| s.offset + s.len).max().unwrap_or(0),
        };
        let last = |places: &[u32]| places[..pixels].iter().max().map_or(0, |place| *place as usize);
        assert!(last(&self.places.input) + reach <= input.len(), "a convolution would read past its input");
        assert!(
            last(&self.places.output) + width <= output.len(),
            "a convolution would write past its output"
        );
        if let Some((values, _)) = gate {
            assert!(
                last(&self.places.gate) + width <= values.len(),
                "a convolution would read past its gate"
            );
        }
        let tiles = Tiles {
            packed: self,
            kernels,
            input: input.as_ptr(),
            output: &output,
            finish: gate.map_or(finish, |(_, slope)| Finish::Gate(slope)),
            gate: gate.map_or(std::ptr::null(), |(values, _)| values.as_ptr()),
        };
        match &self.panel {
            Some((panel, unit)) => tiles.run_panels(panel, unit, pixels, block),
            None => block.each(self.vectors.div_ceil(TILE_VECTORS), |channels| {
                tiles.run_channels(pixels, channels);
            }),
        }
    }
}

/// A convolution at work on pixels whose addresses were checked.
struct Tiles<'a, P: Format> {
    packed: &'a Packed<P>,
    kernels: &'a Kernels<P>,
    input: *const P::Stored,
    output: &'a Target<'a, P>,
    finish: Finish<P::Elem>,
    gate: *const P::Stored,
}

// SAFETY: input and gate are only read; outputs are written by tasks that each have their own pixels or channels.
unsafe impl<P: Format> Sync for Tiles<'_, P> {}

impl<'a, P: Format> Tiles<'a, P> {
    /// The tile of `rows` pixels from number `first` on and channels from number `from` on. Rows beyond are the last
    /// pixel again.
    fn at(&self, first: usize, rows: usize, from: usize) -> Tile<'a, P> {
        let places = &self.packed.places;
        let place = |places: &[u32], i: usize| places[first + i.min(rows - 1)] as usize;
        Tile {
            input: std::array::from_fn(|i| self.input.wrapping_add(place(&places.input, i))),
            output: self.output.rows(|i| place(&places.output, i) + from),
            gate: std::array::from_fn(|i| match self.finish {
                Finish::Gate(_) => self.gate.wrapping_add(place(&places.gate, i) + from),
                _ => self.gate,
            }),
            rows,
            segments: &self.packed.segments,
            weights: self.packed.weights[from * self.packed.depth..].as_ptr(),
            bias: self.packed.bias[from..].as_ptr(),
            finish: self.finish,
        }
    }

    /// The block of output channels number `channels`, for the first `pixels` pixels.
    fn run_channels(&self, pixels: usize, channels: usize) {
        let from = channels * TILE_VECTORS;
        let vectors = TILE_VECTORS.min(self.packed.vectors - from);
        let mut done = 0;
        while done < pixels {
            let size = self.kernels.tile(pixels - done);
            let rows = size.rows.min(pixels - done);
            let tile = self.at(done, rows, from * self.kernels.lanes);
            // SAFETY: the kernels fit the processor; every address that a tile of these pixels reads or writes was
            // checked, and no other task writes there; weights and bias hold these channels by construction.
            unsafe { (size.convolve[vectors - 1])(&tile) };
            done += rows;
        }
    }

    /// All channels of the first `pixels` pixels, by a tile unit.
    fn run_panels(&self, panel: &Panel<P>, unit: &TileUnit<P>, pixels: usize, block: Block) {
        let panels = pixels.div_ceil(SIDE);
        let tasks = if block.split { panels } else { 1 };
        block.each(tasks, |task| {
            let mut room = panel.room();
            unit.with(|| {
                for first in (task..panels).step_by(tasks).map(|number| number * SIDE) {
                    let size = (SIDE.min(pixels - first), self.packed.vectors);
                    let places = &self.packed.places.input[first..];
                    let input = |i: usize| self.input.wrapping_add(places[i] as usize);
                    let tile = |row, rows, from| self.at(first + row, rows, from);
                    // SAFETY: as in `run_channels`.
                    unsafe { panel.run(self.kernels, unit, size, input, tile, &mut room) };
                }
            });
        });
    }
}
