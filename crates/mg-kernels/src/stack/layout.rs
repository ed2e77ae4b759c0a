use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::taps::adjoint_halo;
use crate::winograd_layout::{halo_after, tile_overhang};
use crate::{Direction, MapLayer, Result};

/// Layouts of a block's input and of the gradient of its output, with the halos that convolutions of them want.
pub(super) fn maps<P: Compiled>(
    kernels: &Kernels<P>,
    l: usize,
    shape: &MapLayer,
    (side, out): (usize, usize),
    winograd: bool,
) -> Result<(Map, Map)> {
    let ((c_in, c_out), lanes) = (shape.channels(), kernels.lanes);
    let (conv_side, conv_out) = if shape.is_up() { (out, side) } else { (side, out) };
    let (conv, window) = (shape.conv, shape.conv.window());
    // The halos of the convolution's input and of its output's gradient, whichever way the layer goes.
    let overhang = Convolution::<P>::forward_overhang(&window, conv.channels(), conv_out, kernels);
    let after = if winograd { halo_after(&window, conv_side, conv_out) } else { 0 };
    let ahead = (conv.pad_before, after.max(conv.pad_after + overhang));
    let behind = if covers(shape, conv_side) {
        (0, 0)
    } else {
        let (before, after) = adjoint_halo(&conv, conv_side)?;
        let overhang = Convolution::<P>::adjoint_overhang(&conv, conv_side, kernels);
        // Tiles of the gradient are of the output's pixels, or of the pixels of a phase of the input.
        let tiles = tile_overhang(conv_out).max(tile_overhang(conv_side.div_ceil(2)));
        (before, after + if winograd { tiles } else { overhang })
    };
    let (input_halo, grad_halo) = if shape.is_up() { (behind, ahead) } else { (ahead, behind) };
    let input = match shape.direction {
        Direction::Down if l == 0 && c_in < lanes => Map::dense(side, c_in, input_halo),
        _ => Map::new::<P::Stored>(side, c_in, input_halo, lanes),
    };
    let grad = match shape.direction {
        Direction::Up { .. } if c_out < lanes => Map::dense(out, c_out, grad_halo),
        _ => Map::new::<P::Stored>(out, c_out, grad_halo, lanes),
    };
    Ok((input, grad))
}

/// Whether the kernel covers the map that the convolution reads, whose side is `side`.
pub(super) fn covers(shape: &MapLayer, side: usize) -> bool {
    let conv = &shape.conv;
    conv.kernel == side && conv.pad_before + conv.pad_after == 0
}
