//! The inner loops compiled once per instruction set.
#![allow(unsafe_code, reason = "functions for one instruction set are unsafe to call elsewhere")]

use crate::kernels::{GatedBy, Kernels, Rows};
use crate::map::Map;
use crate::pointwise::{self, Apply, Bend, Combine, Head, Sums};
use crate::share::Shared;
use crate::simd::{ElemOf, Level, Simd, StoredOf, Unit};
use crate::tile::{self, Tile};
use crate::weight_tile::{self, WeightTile};
use crate::windows::{self, Depthwise, Pool};
use crate::winograd::kernel::{self, KernelPass};
use crate::winograd::transform::{self, Back, Transform};

macro_rules! kernels {
    ($module:ident, [$($rows:literal),*] $(, $features:literal)?) => {
        pub(crate) mod $module {
            use super::*;

            // SAFETY (all functions): each is its generic body compiled for this instruction set, with its contract.
            $(#[target_feature(enable = $features)])?
            unsafe fn convolve<U: Unit, const MR: usize, const NV: usize>(tile: &Tile<'_, U::Format>) {
                unsafe { tile::convolve::<U, MR, NV>(tile) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weight_gradient<U: Unit, const MR: usize, const NV: usize>(tile: &WeightTile<'_, U::Format>) {
                unsafe { weight_tile::weight_gradient::<U, MR, NV>(tile) }
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
            unsafe fn slope<U: Unit>(
                pass: &Apply<'_, U::Format>,
                v: &[StoredOf<U>],
                to: &mut [StoredOf<U>],
                map: &Map,
            ) {
                unsafe { pointwise::slope::<U>(pass, v, to, map) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn bend<U: Unit>(
                pass: &Apply<'_, U::Format>,
                by: &Bend<'_, StoredOf<U>>,
                to: &mut [StoredOf<U>],
                map: &Map,
            ) {
                unsafe { pointwise::bend::<U>(pass, by, to, map) }
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
            unsafe fn transform<U: Unit>(pass: &Transform<'_>, from: &[StoredOf<U>], to: &mut [ElemOf<U>]) {
                unsafe { transform::transform::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_output<U: Unit>(pass: &Back<'_, U::Format>, from: &[ElemOf<U>], to: Shared<'_, StoredOf<U>>) {
                unsafe { transform::transform_output::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transform_kernels<U: Unit>(pass: KernelPass, from: &[ElemOf<U>], to: &mut [ElemOf<U>]) {
                unsafe { kernel::transform_kernels::<U>(pass, from, to) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gather_kernels<U: Unit>(pass: KernelPass, from: &[ElemOf<U>], to: &mut [ElemOf<U>]) {
                unsafe { kernel::gather_kernels::<U>(pass, from, to) }
            }

            /// This instruction set's kernels for one unit.
            pub(crate) struct Of<U>(std::marker::PhantomData<U>);

            impl<U: Unit> Of<U> {
                /// `level` is one whose vectors are these.
                pub(crate) const fn at(level: Level) -> Kernels<U::Format> {
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
                    slope: slope::<U>,
                    bend: bend::<U>,
                    combine: combine::<U>,
                    sums: sums::<U>,
                    dot: dot::<U>,
                    pull: pull::<U>,
                    add_scaled: add_scaled::<U>,
                    finish_sums: finish_sums::<U>,
                    depthwise: depthwise::<U>,
                    pool: pool::<U>,
                    add: add::<U>,
                    transform: transform::<U>,
                    transform_output: transform_output::<U>,
                    transform_kernels: transform_kernels::<U>,
                    gather_kernels: gather_kernels::<U>,
                }
                }
            }
        }
    };
}

kernels!(portable, [4, 2]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, [6, 4, 2], "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, [14, 12, 10, 8, 6, 4, 2], "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512_bf16, [14, 12, 10, 8, 6, 4, 2], "avx512bf16,avx512f,avx2,fma");
