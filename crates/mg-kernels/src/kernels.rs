//! The compiled kernels, one set per instruction set and element type, chosen at run time.
#![allow(unsafe_code, reason = "functions for one instruction set are unsafe to call elsewhere")]

use crate::map::Map;
use crate::pointwise::{self, Apply, Combine, Head, Sums};
use crate::simd::{Element, Level, Portable, Simd};
use crate::tile::{self, Tile, WeightTile};
use crate::winograd::{self, Back, Transform};

/// A convolution tile; see [`tile::convolve`] for what its pointers must satisfy.
pub(crate) type TileFn<E> = unsafe fn(&Tile<'_, E>);
/// A weight gradient's tile; see [`tile::weight_gradient`].
pub(crate) type WeightTileFn<E> = unsafe fn(&WeightTile<'_, E>);
type GatedBy<'a, E> = Option<(&'a [E], E)>;
type PullFn<E> = unsafe fn(&Head<'_, E>, usize, E, GatedBy<'_, E>, &mut [E], &Map);

/// One size of tile: rows, and the functions for one and two vectors of channels.
pub(crate) struct Rows<E: 'static> {
    pub(crate) rows: usize,
    pub(crate) convolve: [TileFn<E>; 2],
    pub(crate) weight_gradient: [WeightTileFn<E>; 2],
}

/// The kernels of one instruction set.
///
/// Invariant: made by [`Computes::kernels`] for a level this processor has, so the safe methods may call them.
pub(crate) struct Kernels<E: 'static> {
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// Tiles by falling number of rows.
    pub(crate) tiles: &'static [Rows<E>],
    apply: unsafe fn(&Apply<'_, E>, &mut [E], &Map),
    gate: unsafe fn(&Apply<'_, E>, &mut [E]),
    combine: unsafe fn(&Combine<'_, E>, &mut [E], &Map),
    sums: unsafe fn(&Sums<'_, E>, &mut [f64], &mut [f64]),
    dot: unsafe fn(&Head<'_, E>, usize, &[E]) -> f64,
    pull: PullFn<E>,
    add_scaled: unsafe fn(&Map, usize, E, &[E], &mut [E]),
    transform_input: unsafe fn(&Transform<'_>, &[E], &mut [E]),
    transform_output: unsafe fn(&Back<'_, E>, &[E], &mut [E]),
}

impl<E: Element> Kernels<E> {
    /// The smallest tile with at least `rows` rows, else the largest.
    pub(crate) fn tile(&self, rows: usize) -> &Rows<E> {
        self.tiles.iter().rev().find(|tile| tile.rows >= rows).unwrap_or(&self.tiles[0])
    }

    /// The tile that covers `len` input values with the least work.
    pub(crate) fn weight_tile(&self, len: usize) -> &Rows<E> {
        let work = |tile: &&Rows<E>| len.div_ceil(tile.rows) * (tile.rows + 1);
        self.tiles.iter().min_by_key(work).unwrap_or(&self.tiles[0])
    }

    // SAFETY (all blocks): the processor has this level (the invariant), and the passes check their own bounds.

    pub(crate) fn apply(&self, pass: &Apply<'_, E>, to: &mut [E], map: &Map) {
        unsafe { (self.apply)(pass, to, map) }
    }
    pub(crate) fn gate(&self, pass: &Apply<'_, E>, grad: &mut [E]) {
        unsafe { (self.gate)(pass, grad) }
    }
    pub(crate) fn combine(&self, pass: &Combine<'_, E>, to: &mut [E], map: &Map) {
        unsafe { (self.combine)(pass, to, map) }
    }
    pub(crate) fn sums(&self, pass: &Sums<'_, E>, sums: &mut [f64], products: &mut [f64]) {
        unsafe { (self.sums)(pass, sums, products) }
    }
    pub(crate) fn dot(&self, head: &Head<'_, E>, n: usize, a: &[E]) -> f64 {
        unsafe { (self.dot)(head, n, a) }
    }
    pub(crate) fn pull(
        &self,
        head: &Head<'_, E>,
        n: usize,
        c: E,
        gate: GatedBy<'_, E>,
        to: &mut [E],
        map: &Map,
    ) {
        unsafe { (self.pull)(head, n, c, gate, to, map) }
    }
    pub(crate) fn add_scaled(&self, map: &Map, n: usize, coefficient: E, a: &[E], into: &mut [E]) {
        unsafe { (self.add_scaled)(map, n, coefficient, a, into) }
    }
    pub(crate) fn transform_input(&self, pass: &Transform<'_>, from: &[E], to: &mut [E]) {
        unsafe { (self.transform_input)(pass, from, to) }
    }
    pub(crate) fn transform_output(&self, pass: &Back<'_, E>, from: &[E], to: &mut [E]) {
        unsafe { (self.transform_output)(pass, from, to) }
    }
}

/// Element types that have kernels.
pub(crate) trait Computes: Element {
    /// The kernels of a level from [`Level::available`].
    fn kernels(level: Level) -> &'static Kernels<Self>;
}

macro_rules! kernels {
    ($module:ident, $simd:ident, [$($rows:literal),*] $(, $features:literal)?) => {
        mod $module {
            use super::*;

            // SAFETY (all functions): each is its generic body compiled for this instruction set, with its contract.
            $(#[target_feature(enable = $features)])?
            unsafe fn convolve<S: Simd, const MR: usize, const NV: usize>(tile: &Tile<'_, S::Elem>) {
                unsafe { tile::convolve::<S, MR, NV>(tile) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weight_gradient<S: Simd, const MR: usize, const NV: usize>(tile: &WeightTile<'_, S::Elem>) {
                unsafe { tile::weight_gradient::<S, MR, NV>(tile) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn apply<S: Simd>(pass: &Apply<'_, S::Elem>, to: &mut [S::Elem], map: &Map) {
                unsafe { pointwise::apply::<S>(pass, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gate<S: Simd>(pass: &Apply<'_, S::Elem>, grad: &mut [S::Elem]) {
                unsafe { pointwise::gate::<S>(pass, grad) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn combine<S: Simd>(pass: &Combine<'_, S::Elem>, to: &mut [S::Elem], map: &Map) {
                unsafe { pointwise::combine::<S>(pass, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sums<S: Simd>(pass: &Sums<'_, S::Elem>, sums: &mut [f64], products: &mut [f64]) {
                unsafe { pointwise::sums::<S>(pass, sums, products) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn dot<S: Simd>(head: &Head<'_, S::Elem>, n: usize, a: &[S::Elem]) -> f64 {
                unsafe { pointwise::dot::<S>(head, n, a) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pull<S: Simd>(
                head: &Head<'_, S::Elem>,
                n: usize,
                c: S::Elem,
                gate: GatedBy<'_, S::Elem>,
                to: &mut [S::Elem],
                map: &Map,
            ) {
                unsafe { pointwise::pull::<S>(head, n, c, gate, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add_scaled<S: Simd>(map: &Map, n: usize, c: S::Elem, a: &[S::Elem], into: &mut [S::Elem]) {
                unsafe { pointwise::add_scaled::<S>(map, n, c, a, into) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_input<S: Simd>(pass: &Transform<'_>, from: &[S::Elem], to: &mut [S::Elem]) {
                unsafe { winograd::transform_input::<S>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_output<S: Simd>(pass: &Back<'_, S::Elem>, from: &[S::Elem], to: &mut [S::Elem]) {
                unsafe { winograd::transform_output::<S>(pass, from, to) }
            }

            /// This instruction set's kernels for one element type.
            pub(super) struct Of<E>(std::marker::PhantomData<E>);

            macro_rules! of {
                ($elem:ty) => {
                    impl Of<$elem> {
                        pub(super) const KERNELS: Kernels<$elem> = Kernels {
                            lanes: $simd::<$elem>::LANES,
                            tiles: &[$(Rows {
                                rows: $rows,
                                convolve: [convolve::<$simd<$elem>, $rows, 1>, convolve::<$simd<$elem>, $rows, 2>],
                                weight_gradient: [
                                    weight_gradient::<$simd<$elem>, $rows, 1>,
                                    weight_gradient::<$simd<$elem>, $rows, 2>,
                                ],
                            }),*],
                            apply: apply::<$simd<$elem>>,
                            gate: gate::<$simd<$elem>>,
                            combine: combine::<$simd<$elem>>,
                            sums: sums::<$simd<$elem>>,
                            dot: dot::<$simd<$elem>>,
                            pull: pull::<$simd<$elem>>,
                            add_scaled: add_scaled::<$simd<$elem>>,
                            transform_input: transform_input::<$simd<$elem>>,
                            transform_output: transform_output::<$simd<$elem>>,
                        };
                    }
                };
            }
            of!(f32);
            of!(f64);
        }
    };
}

kernels!(portable, Portable, [4, 2]);
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, [6, 4, 2], "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, [14, 12, 10, 8, 6, 4, 2], "avx512f,avx2,fma");

macro_rules! computes {
    ($elem:ty) => {
        impl Computes for $elem {
            fn kernels(level: Level) -> &'static Kernels<Self> {
                match level {
                    Level::Portable => &portable::Of::<$elem>::KERNELS,
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => &avx2::Of::<$elem>::KERNELS,
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => &avx512::Of::<$elem>::KERNELS,
                }
            }
        }
    };
}
computes!(f32);
computes!(f64);
