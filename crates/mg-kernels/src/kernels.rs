//! The compiled kernels, one set per instruction set and format, chosen at run time.
#![allow(unsafe_code, reason = "functions for one instruction set are unsafe to call elsewhere")]

use half::bf16;

use crate::amx::{self, TileUnit};
use crate::format::{Format, Half, Whole};
use crate::map::Map;
use crate::pointwise::{self, Apply, Combine, Head, Sums};
use crate::share::Shared;
use crate::simd::{ElemOf, Level, Plain, Portable, Simd, StoredOf, Unit, Widened};
use crate::tile::{self, Tile, WeightTile};
use crate::windows::{self, Depthwise, Pool};
use crate::winograd::{self, Back, FixedKernels, Transform};

/// A convolution tile; see [`tile::convolve`] for what its pointers must satisfy.
pub(crate) type TileFn<P> = unsafe fn(&Tile<'_, P>);
/// A weight gradient's tile; see [`tile::weight_gradient`].
pub(crate) type WeightTileFn<P> = unsafe fn(&WeightTile<'_, P>);
type Elem<P> = <P as Format>::Elem;
type Stored<P> = <P as Format>::Stored;
type GatedBy<'a, P> = Option<(&'a [Stored<P>], Elem<P>)>;
type PullFn<P> = unsafe fn(&Head<'_, Elem<P>>, usize, Elem<P>, GatedBy<'_, P>, &mut [Stored<P>], &Map);

/// One size of tile: rows, and the functions for one and two vectors of channels.
pub(crate) struct Rows<P: Format> {
    pub(crate) rows: usize,
    pub(crate) convolve: [TileFn<P>; 2],
    pub(crate) weight_gradient: [WeightTileFn<P>; 2],
}

/// The kernels of one instruction set.
///
/// Invariant: made by [`Format::kernels`] for a level this processor has, so the safe methods may call them.
#[allow(clippy::type_complexity, reason = "the types of the functions are their documentation")]
pub(crate) struct Kernels<P: Format> {
    pub(crate) level: Level,
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// Tiles by falling number of rows.
    pub(crate) tiles: &'static [Rows<P>],
    apply: unsafe fn(&Apply<'_, P>, &mut [P::Stored], &Map),
    gate: unsafe fn(&Apply<'_, P>, &mut [P::Stored]),
    combine: unsafe fn(&Combine<'_, P>, &mut [P::Stored], &Map),
    sums: unsafe fn(&Sums<'_, P>, &mut [f64], &mut [f64]),
    dot: unsafe fn(&Head<'_, P::Elem>, usize, &[P::Stored]) -> f64,
    pull: PullFn<P>,
    add_scaled: unsafe fn(&Map, usize, P::Elem, &[P::Stored], &mut [P::Elem]),
    finish_sums: unsafe fn(&Tile<'_, P>, *const P::Elem, usize),
    depthwise: unsafe fn(&Depthwise<'_, P>, &[P::Stored], &mut [P::Stored]),
    pool: unsafe fn(&Pool, &[P::Stored], &mut [P::Stored]),
    add: unsafe fn((&[P::Stored], &Map), (&[P::Stored], &Map), (&mut [P::Stored], &Map)),
    transform_input: unsafe fn(&Transform<'_>, &[P::Stored], &mut [P::Elem]),
    transform_output: unsafe fn(&Back<'_, P>, &[P::Elem], Shared<'_, P::Stored>),
}

impl<P: Format> Kernels<P> {
    /// The smallest tile with at least `rows` rows, else the largest.
    pub(crate) fn tile(&self, rows: usize) -> &Rows<P> {
        self.tiles.iter().rev().find(|tile| tile.rows >= rows).unwrap_or(&self.tiles[0])
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
    /// As for [`tile::finish_sums`].
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
    pub(crate) fn transform_input(&self, pass: &Transform<'_>, from: &[P::Stored], to: &mut [P::Elem]) {
        unsafe { (self.transform_input)(pass, from, to) }
    }
    pub(crate) fn transform_output(&self, pass: &Back<'_, P>, from: &[P::Elem], to: Shared<'_, P::Stored>) {
        unsafe { (self.transform_output)(pass, from, to) }
    }
}

macro_rules! kernels {
    ($module:ident, [$($rows:literal),*] $(, $features:literal)?) => {
        mod $module {
            use super::*;

            // SAFETY (all functions): each is its generic body compiled for this instruction set, with its contract.
            $(#[target_feature(enable = $features)])?
            unsafe fn convolve<U: Unit, const MR: usize, const NV: usize>(tile: &Tile<'_, U::Format>) {
                unsafe { tile::convolve::<U, MR, NV>(tile) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weight_gradient<U: Unit, const MR: usize, const NV: usize>(tile: &WeightTile<'_, U::Format>) {
                unsafe { tile::weight_gradient::<U, MR, NV>(tile) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn apply<U: Unit>(pass: &Apply<'_, U::Format>, to: &mut [StoredOf<U>], map: &Map) {
                unsafe { pointwise::apply::<U>(pass, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gate<U: Unit>(pass: &Apply<'_, U::Format>, grad: &mut [StoredOf<U>]) {
                unsafe { pointwise::gate::<U>(pass, grad) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn combine<U: Unit>(pass: &Combine<'_, U::Format>, to: &mut [StoredOf<U>], map: &Map) {
                unsafe { pointwise::combine::<U>(pass, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sums<U: Unit>(pass: &Sums<'_, U::Format>, sums: &mut [f64], products: &mut [f64]) {
                unsafe { pointwise::sums::<U>(pass, sums, products) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn dot<U: Unit>(head: &Head<'_, ElemOf<U>>, n: usize, a: &[StoredOf<U>]) -> f64 {
                unsafe { pointwise::dot::<U>(head, n, a) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pull<U: Unit>(
                head: &Head<'_, ElemOf<U>>,
                n: usize,
                c: ElemOf<U>,
                gate: GatedBy<'_, U::Format>,
                to: &mut [StoredOf<U>],
                map: &Map,
            ) {
                unsafe { pointwise::pull::<U>(head, n, c, gate, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add_scaled<U: Unit>(map: &Map, n: usize, c: ElemOf<U>, a: &[StoredOf<U>], into: &mut [ElemOf<U>]) {
                unsafe { pointwise::add_scaled::<U>(map, n, c, a, into) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn finish_sums<U: Unit>(tile: &Tile<'_, U::Format>, sums: *const ElemOf<U>, stride: usize) {
                unsafe { tile::finish_sums::<U>(tile, sums, stride) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn depthwise<U: Unit>(pass: &Depthwise<'_, U::Format>, from: &[StoredOf<U>], to: &mut [StoredOf<U>]) {
                unsafe { windows::depthwise::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pool<U: Unit>(pass: &Pool, from: &[StoredOf<U>], to: &mut [StoredOf<U>]) {
                unsafe { windows::pool::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add<U: Unit>(
                a: (&[StoredOf<U>], &Map),
                b: (&[StoredOf<U>], &Map),
                to: (&mut [StoredOf<U>], &Map),
            ) {
                unsafe { windows::add::<U>(a, b, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_input<U: Unit>(pass: &Transform<'_>, from: &[StoredOf<U>], to: &mut [ElemOf<U>]) {
                unsafe { winograd::transform_input::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_output<U: Unit>(pass: &Back<'_, U::Format>, from: &[ElemOf<U>], to: Shared<'_, StoredOf<U>>) {
                unsafe { winograd::transform_output::<U>(pass, from, to) }
            }

            /// This instruction set's kernels for one unit.
            pub(super) struct Of<U>(std::marker::PhantomData<U>);

            impl<U: Unit> Of<U> {
                /// `level` is one whose vectors are these.
                pub(super) const fn at(level: Level) -> Kernels<U::Format> {
                    Kernels {
                    level,
                    lanes: U::Simd::LANES,
                    tiles: &[$(Rows {
                        rows: $rows,
                        convolve: [convolve::<U, $rows, 1>, convolve::<U, $rows, 2>],
                        weight_gradient: [weight_gradient::<U, $rows, 1>, weight_gradient::<U, $rows, 2>],
                    }),*],
                    apply: apply::<U>,
                    gate: gate::<U>,
                    combine: combine::<U>,
                    sums: sums::<U>,
                    dot: dot::<U>,
                    pull: pull::<U>,
                    add_scaled: add_scaled::<U>,
                    finish_sums: finish_sums::<U>,
                    depthwise: depthwise::<U>,
                    pool: pool::<U>,
                    add: add::<U>,
                    transform_input: transform_input::<U>,
                    transform_output: transform_output::<U>,
                }
                }
            }
        }
    };
}

kernels!(portable, [4, 2]);
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Dot};
#[cfg(target_arch = "x86_64")]
kernels!(avx2, [6, 4, 2], "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, [14, 12, 10, 8, 6, 4, 2], "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512_bf16, [14, 12, 10, 8, 6, 4, 2], "avx512bf16,avx512f,avx2,fma");

macro_rules! whole {
    ($elem:ty) => {
        impl Format for Whole<$elem> {
            type Elem = $elem;
            type Stored = $elem;
            type Full = Self;
            const GROUP: usize = 1;

            fn kernels(level: Level) -> &'static Kernels<Self> {
                match level.vectors() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => const { &avx2::Of::<Plain<Avx2<$elem>>>::at(Level::Avx2) },
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 | Level::Avx512Bf16 => {
                        const { &avx512::Of::<Plain<Avx512<$elem>>>::at(Level::Avx512) }
                    }
                    _ => const { &portable::Of::<Plain<Portable<$elem>>>::at(Level::Portable) },
                }
            }
        }
    };
}
whole!(f32);
whole!(f64);

impl Format for Half {
    type Elem = f32;
    type Stored = bf16;
    type Full = Whole<f32>;
    const GROUP: usize = 2;

    fn kernels(level: Level) -> &'static Kernels<Self> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => const { &avx2::Of::<Widened<Avx2<f32>>>::at(Level::Avx2) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => const { &avx512::Of::<Widened<Avx512<f32>>>::at(Level::Avx512) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => const { &avx512_bf16::Of::<Dot>::at(Level::Avx512Bf16) },
            #[cfg(target_arch = "x86_64")]
            Level::Amx => const { &avx512_bf16::Of::<Dot>::at(Level::Amx) },
            #[cfg(test)]
            Level::PlainTiles => const { &portable::Of::<Widened<Portable<f32>>>::at(Level::PlainTiles) },
            Level::Portable => const { &portable::Of::<Widened<Portable<f32>>>::at(Level::Portable) },
        }
    }

    fn fixed(level: Level) -> Option<&'static FixedKernels<f32>> {
        winograd::fixed_kernels(level)
    }

    fn tile_unit(level: Level) -> Option<&'static TileUnit<Self>> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Amx => amx::unit(),
            #[cfg(test)]
            Level::PlainTiles => Some(&amx::PLAIN),
            _ => None,
        }
    }
}
