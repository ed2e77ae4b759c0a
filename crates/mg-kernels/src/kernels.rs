//! A table of the inner loops, compiled for one instruction set.
#![allow(unsafe_code, reason = "functions for one instruction set are unsafe to call elsewhere")]

use crate::format::Format;
use crate::map::Map;
use crate::pointwise::{Apply, Bend, Combine, Head, Sums};
use crate::share::Shared;
use crate::simd::Level;
use crate::tile::Tile;
use crate::weight_tile::WeightTile;
use crate::windows::{Depthwise, Pool};
use crate::winograd::kernel::KernelPass;
use crate::winograd::transform::{Back, Transform};

/// A convolution tile; see [`crate::tile::convolve`] for what its pointers must satisfy.
pub(crate) type TileFn<P> = unsafe fn(&Tile<'_, P>);
/// A weight gradient's tile; see [`crate::weight_tile::weight_gradient`].
pub(crate) type WeightTileFn<P> = unsafe fn(&WeightTile<'_, P>);
type Elem<P> = <P as Format>::Elem;
type Stored<P> = <P as Format>::Stored;
pub(crate) type GatedBy<'a, P> = Option<(&'a [Stored<P>], Elem<P>)>;
pub(crate) type PullFn<P> =
    unsafe fn(&Head<'_, Elem<P>>, usize, Elem<P>, GatedBy<'_, P>, &mut [Stored<P>], &Map);

/// One size of tile: rows, and the functions for one and two vectors of channels.
pub(crate) struct Rows<P: Format> {
    pub(crate) rows: usize,
    pub(crate) convolve: [TileFn<P>; 2],
    pub(crate) weight_gradient: [WeightTileFn<P>; 2],
}

/// The kernels of one instruction set.
///
/// Invariant: only used on a processor that has `level`, whose instructions the functions are, so that the safe methods
/// may call them.
#[allow(clippy::type_complexity, reason = "the types of the functions are their documentation")]
pub(crate) struct Kernels<P: Format> {
    pub(crate) level: Level,
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// Tiles by falling number of rows.
    pub(crate) tiles: &'static [Rows<P>],
    pub(crate) apply: unsafe fn(&Apply<'_, P>, &mut [P::Stored], &Map),
    pub(crate) gate: unsafe fn(&Apply<'_, P>, &mut [P::Stored]),
    pub(crate) slope: unsafe fn(&Apply<'_, P>, &[P::Stored], &mut [P::Stored], &Map),
    pub(crate) bend: unsafe fn(&Apply<'_, P>, &Bend<'_, P::Stored>, &mut [P::Stored], &Map),
    pub(crate) combine: unsafe fn(&Combine<'_, P>, &mut [P::Stored], &Map),
    pub(crate) sums: unsafe fn(&Sums<'_, P>, &mut [f64], &mut [f64]),
    pub(crate) dot: unsafe fn(&Head<'_, P::Elem>, usize, &[P::Stored]) -> f64,
    pub(crate) pull: PullFn<P>,
    pub(crate) add_scaled: unsafe fn(&Map, usize, P::Elem, &[P::Stored], &mut [P::Elem]),
    pub(crate) finish_sums: unsafe fn(&Tile<'_, P>, *const P::Elem, usize),
    pub(crate) depthwise: unsafe fn(&Depthwise<'_, P>, &[P::Stored], &mut [P::Stored]),
    pub(crate) pool: unsafe fn(&Pool, &[P::Stored], &mut [P::Stored]),
    pub(crate) add: unsafe fn((&[P::Stored], &Map), (&[P::Stored], &Map), (&mut [P::Stored], &Map)),
    pub(crate) transform: unsafe fn(&Transform<'_>, &[P::Stored], &mut [P::Elem]),
    pub(crate) transform_output: unsafe fn(&Back<'_, P>, &[P::Elem], Shared<'_, P::Stored>),
    pub(crate) transform_kernels: unsafe fn(KernelPass, &[P::Elem], &mut [P::Elem]),
    pub(crate) gather_kernels: unsafe fn(KernelPass, &[P::Elem], &mut [P::Elem]),
}

impl<P: Format> Kernels<P> {
    /// The first of the fewest tiles that hold `rows` rows, of about as many each: a tile of a few rows reads as many weights as
    /// one of many.
    pub(crate) fn tile(&self, rows: usize) -> &Rows<P> {
        let each = rows.div_ceil(rows.div_ceil(self.tiles[0].rows).max(1));
        self.tiles.iter().rev().find(|tile| tile.rows >= each).unwrap_or(&self.tiles[0])
    }

    /// The tile that covers `len` input values with the least work.
    pub(crate) fn weight_tile(&self, len: usize) -> &Rows<P> {
        let work = |tile: &&Rows<P>| len.div_ceil(tile.rows) * (tile.rows + 1);
        self.tiles.iter().min_by_key(work).unwrap_or(&self.tiles[0])
    }

    // SAFETY (all blocks): the processor has this level (the invariant), and the passes check their own bounds; the
    // chunks of one convolution are the only ones to write to their channels.

    pub(crate) fn apply(&self, pass: &Apply<'_, P>, to: &mut [P::Stored], map: &Map) {
        unsafe { (self.apply)(pass, to, map) }
    }
    pub(crate) fn gate(&self, pass: &Apply<'_, P>, grad: &mut [P::Stored]) {
        unsafe { (self.gate)(pass, grad) }
    }
    pub(crate) fn slope(&self, pass: &Apply<'_, P>, v: &[P::Stored], to: &mut [P::Stored], map: &Map) {
        unsafe { (self.slope)(pass, v, to, map) }
    }
    pub(crate) fn bend(
        &self,
        pass: &Apply<'_, P>,
        by: &Bend<'_, P::Stored>,
        to: &mut [P::Stored],
        map: &Map,
    ) {
        unsafe { (self.bend)(pass, by, to, map) }
    }
    pub(crate) fn combine(&self, pass: &Combine<'_, P>, to: &mut [P::Stored], map: &Map) {
        unsafe { (self.combine)(pass, to, map) }
    }
    pub(crate) fn sums(&self, pass: &Sums<'_, P>, sums: &mut [f64], products: &mut [f64]) {
        unsafe { (self.sums)(pass, sums, products) }
    }
    pub(crate) fn dot(&self, head: &Head<'_, P::Elem>, n: usize, a: &[P::Stored]) -> f64 {
        unsafe { (self.dot)(head, n, a) }
    }
    pub(crate) fn pull(
        &self,
        head: &Head<'_, P::Elem>,
        n: usize,
        c: P::Elem,
        gate: GatedBy<'_, P>,
        to: &mut [P::Stored],
        map: &Map,
    ) {
        unsafe { (self.pull)(head, n, c, gate, to, map) }
    }
    pub(crate) fn add_scaled(
        &self,
        map: &Map,
        n: usize,
        coefficient: P::Elem,
        a: &[P::Stored],
        into: &mut [P::Elem],
    ) {
        unsafe { (self.add_scaled)(map, n, coefficient, a, into) }
    }
    /// # Safety
    /// As for [`crate::tile::finish_sums`].
    pub(crate) unsafe fn finish_sums(&self, tile: &Tile<'_, P>, sums: *const P::Elem, stride: usize) {
        unsafe { (self.finish_sums)(tile, sums, stride) }
    }
    pub(crate) fn depthwise(&self, pass: &Depthwise<'_, P>, from: &[P::Stored], to: &mut [P::Stored]) {
        unsafe { (self.depthwise)(pass, from, to) }
    }
    pub(crate) fn pool(&self, pass: &Pool, from: &[P::Stored], to: &mut [P::Stored]) {
        unsafe { (self.pool)(pass, from, to) }
    }
    pub(crate) fn add(&self, a: (&[P::Stored], &Map), b: (&[P::Stored], &Map), to: (&mut [P::Stored], &Map)) {
        unsafe { (self.add)(a, b, to) }
    }
    pub(crate) fn transform(&self, pass: &Transform<'_>, from: &[P::Stored], to: &mut [P::Elem]) {
        unsafe { (self.transform)(pass, from, to) }
    }
    pub(crate) fn transform_output(&self, pass: &Back<'_, P>, from: &[P::Elem], to: Shared<'_, P::Stored>) {
        unsafe { (self.transform_output)(pass, from, to) }
    }
    pub(crate) fn transform_kernels(&self, pass: KernelPass, from: &[P::Elem], to: &mut [P::Elem]) {
        unsafe { (self.transform_kernels)(pass, from, to) }
    }
    pub(crate) fn gather_kernels(&self, pass: KernelPass, from: &[P::Elem], to: &mut [P::Elem]) {
        unsafe { (self.gather_kernels)(pass, from, to) }
    }
}
