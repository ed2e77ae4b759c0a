//! A convolution by a tile unit: pixels' values are copied into panels that lie as the unit reads them.
#![allow(unsafe_code, reason = "runs products on checked addresses")]

use crate::aligned::{Aligned, Number};
use crate::format::{Format, Stored};
use crate::kernels::Kernels;
use crate::tile::{MOST_ROWS, Segment, Tile};
use crate::tile_unit::{CHUNK, DEPTH, Product, SIDE, TileUnit};

/// Chunks of depth taken through all channels before the next: their panel stays in the first cache.
const CHUNKS_AT_ONCE: usize = 12;

/// Weights and reads of one convolution.
pub(crate) struct Panel<P: Format> {
    /// What a pixel copies.
    pieces: Vec<Piece>,
    chunks: usize,
    /// Blocks of `SIDE` output channels.
    blocks: usize,
    /// `[block][chunk][16 channels, twice][pair of values][channel][2]`.
    weights: Aligned<P::Stored>,
}

/// Values that follow each other in a pixel's input and in its row of a chunk.
struct Piece {
    from: usize,
    chunk: usize,
    to: usize,
    len: usize,
}

/// Memory of one task.
pub(crate) struct PanelRoom<P: Format> {
    panel: Aligned<P::Stored>,
    /// `[block][SIDE][SIDE]`.
    sums: Aligned<P::Elem>,
}

impl<P: Format> Panel<P> {
    /// `segments` are the runs a pixel reads, `entry(d, o)` the weight of its value `d` for channel `o` of `channels`.
    pub(crate) fn new(
        segments: &[Segment],
        channels: usize,
        entry: impl Fn(usize, usize) -> P::Elem,
    ) -> Self {
        let (mut pieces, mut depth) = (vec![], 0);
        for segment in segments {
            let mut done = 0;
            while done < segment.len {
                let len = (segment.len - done).min(DEPTH - depth % DEPTH);
                let (from, chunk, to) = (segment.offset + done, depth / DEPTH, depth % DEPTH);
                pieces.push(Piece { from, chunk, to, len });
                (done, depth) = (done + len, depth + len);
            }
        }
        let (chunks, blocks) = (depth.div_ceil(DEPTH), channels.div_ceil(SIDE));
        let mut weights = Aligned::zeroed(blocks * chunks * CHUNK);
        for (d, o) in (0..depth).flat_map(|d| (0..channels).map(move |o| (d, o))) {
            let (chunk, k, column) = (o / SIDE * chunks + d / DEPTH, d % DEPTH, o % SIDE);
            let at = chunk * CHUNK + (column / 16 * 16 + k / 2) * 32 + column % 16 * 2 + k % 2;
            weights[at] = P::Stored::of(entry(d, o));
        }
        Self { pieces, chunks, blocks, weights }
    }

    /// Elements past a pixel's address that it reads.
    pub(crate) fn reach(&self) -> usize {
        self.pieces.iter().map(|piece| piece.from + piece.len).max().unwrap_or(0)
    }

    /// Room for [`run`](Self::run).
    pub(crate) fn room(&self) -> PanelRoom<P> {
        let chunks = self.chunks.min(CHUNKS_AT_ONCE);
        PanelRoom { panel: Aligned::zeroed(chunks * CHUNK), sums: Aligned::zeroed(self.blocks * SIDE * SIDE) }
    }

    /// Convolves `count` pixels, at most [`SIDE`], to `vectors` vectors of channels. `input(i)` is where pixel `i` reads;
    /// `tile(first, rows, from)` where `rows` pixels from number `first` on put their results, from channel `from` on.
    ///
    /// # Safety
    /// Within [`TileUnit::with`]. The inputs are valid for reads of [`reach`](Self::reach) elements, and the tiles for
    /// what [`finish_sums`](crate::tile::finish_sums) asks.
    pub(crate) unsafe fn run<'t>(
        &self,
        kernels: &Kernels<P>,
        unit: &TileUnit<P>,
        (count, vectors): (usize, usize),
        input: impl Fn(usize) -> *const P::Stored,
        tile: impl Fn(usize, usize, usize) -> Tile<'t, P>,
        room: &mut PanelRoom<P>,
    ) {
        for first in (0..self.chunks).step_by(CHUNKS_AT_ONCE) {
            let chunks = CHUNKS_AT_ONCE.min(self.chunks - first);
            // SAFETY: the caller's contract.
            unsafe { self.fill(&mut room.panel, (first, chunks), &input, count) };
            for (block, sums) in room.sums.chunks_exact_mut(SIDE * SIDE).enumerate() {
                let weights = &self.weights[(block * self.chunks + first) * CHUNK..][..chunks * CHUNK];
                let (panel, weights) = (room.panel.as_ptr(), weights.as_ptr());
                let product = Product { panel, weights, chunks, sums: sums.as_mut_ptr(), add: first > 0 };
                // SAFETY: panel and weights hold as many chunks, `sums` 32 x 32 values; the caller's contract.
                unsafe { unit.multiply(&product) };
            }
        }
        let per_block = SIDE / kernels.lanes;
        for (block, sums) in room.sums.chunks_exact(SIDE * SIDE).enumerate() {
            for first in (0..count).step_by(MOST_ROWS) {
                let rows = MOST_ROWS.min(count - first);
                for v in 0..per_block.min(vectors - block * per_block) {
                    let tile = tile(first, rows, (block * per_block + v) * kernels.lanes);
                    let sums = sums[first * SIDE + v * kernels.lanes..].as_ptr();
                    // SAFETY: the caller's contract; the sums of `rows` pixels begin here, `SIDE` apart.
                    unsafe { kernels.finish_sums(&tile, sums, SIDE) };
                }
            }
        }
    }

    /// Copies `chunks` chunks of the pixels' values, from number `first` on, into the panel. Rows without a pixel keep
    /// what they hold: their sums are dropped.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    unsafe fn fill(
        &self,
        panel: &mut [P::Stored],
        (first, chunks): (usize, usize),
        input: &impl Fn(usize) -> *const P::Stored,
        count: usize,
    ) {
        if first + chunks == self.chunks {
            // Values beyond the last piece meet zero weights, but must be numbers.
            panel[(chunks - 1) * CHUNK..chunks * CHUNK].fill(P::Stored::ZERO);
        }
        for piece in self.pieces.iter().filter(|piece| (first..first + chunks).contains(&piece.chunk)) {
            for i in 0..count {
                let to = &mut panel[(piece.chunk - first) * CHUNK + i * DEPTH + piece.to..][..piece.len];
                // SAFETY: the caller's contract; `to` has `len` elements, in memory of its own.
                unsafe { to.as_mut_ptr().copy_from_nonoverlapping(input(i).add(piece.from), piece.len) };
            }
        }
    }
}
