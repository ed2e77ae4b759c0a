//! Whether Winograd's transforms are worth their price, by estimated cycles.

use crate::compiled::Compiled;
use crate::kernels::Kernels;
use crate::winograd::filter::{LARGE, Sizes};
use crate::winograd_layout::{entries, tile_count, tile_side};
use crate::{ConvGeometry, Window};

/// Whether this is faster than a direct convolution with stride 1 to maps of `side`, by estimated cycles per image.
pub(crate) fn pays<P: Compiled>(
    window: &Window,
    side: usize,
    (c_in, c_out): (usize, usize),
    kernels: &Kernels<P>,
) -> bool {
    let lanes = kernels.lanes;
    let (v_in, v_out) = (c_in.div_ceil(lanes), c_out.div_ceil(lanes));
    let transformed = tile_count(side) * cycles(Sizes::of(LARGE, (3, 3)), (c_in, v_in, v_out), 1);
    window.kernel == [3, 3]
        && window.stride == 1
        && c_in >= lanes
        && c_out >= lanes
        && P::tile_unit(kernels.level).is_none()
        && transformed * 10 < side * side * (9 * c_in).div_ceil(P::GROUP) * v_out * 9
}

/// The same for a convolution with stride 2 and its adjoint together.
pub(crate) fn pays_strided<P: Compiled>(conv: &ConvGeometry, side: usize, kernels: &Kernels<P>) -> bool {
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

/// Cycles of a tile: of products over a depth, `group` values at once, and of transforms of vectors.
fn cycles(sizes: Sizes, (depth, v_in, v_out): (usize, usize, usize), group: usize) -> usize {
    sizes.frequencies() * (depth.div_ceil(group) * v_out + 11 * (v_in + v_out))
}
