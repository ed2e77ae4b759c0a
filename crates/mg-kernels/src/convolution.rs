use crate::block::Block;
use crate::compiled::Compiled;
use crate::finish::Finish;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::target::{Gate, Target};
use crate::winograd::room::Room;
use crate::winograd_convolution::Winograd;
use crate::winograd_cost::pays;
use crate::winograd_layout::tile_overhang;
use crate::{ConvGeometry, Window};

/// A forward convolution or an input adjoint between two maps, in its fastest form.
pub(crate) enum Convolution<P: Compiled> {
    /// Tiles of pixels; an adjoint has one part per phase of the stride.
    Direct(Vec<Packed<P>>),
    /// The same by transformed tiles.
    Winograd(Vec<Winograd<P>>),
}

impl<P: Compiled> Convolution<P> {
    /// Zeros that the fastest form of a forward convolution wants after the input's own padding, given the side of
    /// the output.
    pub(crate) fn forward_overhang(
        window: &Window,
        channels: (usize, usize),
        side: usize,
        kernels: &Kernels<P>,
    ) -> usize {
        if pays::<P>(window, side, channels, kernels) { tile_overhang(side) } else { 0 }
    }

    /// The same for the adjoint's gradient, given the side of the input.
    pub(crate) fn adjoint_overhang(geometry: &ConvGeometry, side: usize, kernels: &Kernels<P>) -> usize {
        let channels = (geometry.c_out, geometry.c_in);
        if pays::<P>(&geometry.window(), side, channels, kernels) { tile_overhang(side) } else { 0 }
    }

    /// `numbers` are the weight, `[c_out, c_in, rows, columns]` of the window, and the bias.
    pub(crate) fn forward(
        kernels: &Kernels<P>,
        window: &Window,
        channels: (usize, usize),
        numbers: (&[P::Elem], &[P::Elem]),
        maps: (&Map, &Map),
        block: usize,
    ) -> Self {
        if pays::<P>(window, maps.1.side, channels, kernels) {
            return Self::Winograd(vec![Winograd::forward(kernels, window, channels, numbers, maps, block)]);
        }
        Self::Direct(vec![Packed::forward(kernels, window, channels, numbers, maps, block)])
    }

    /// The adjoint from `maps.0` to `maps.1`; `gate` is the layout of the activations that will gate the result.
    pub(crate) fn adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        maps: (&Map, &Map),
        gate: Option<&Map>,
        block: usize,
    ) -> Self {
        let channels = (geometry.c_out, geometry.c_in);
        if pays::<P>(&geometry.window(), maps.1.side, channels, kernels) {
            return Self::Winograd(Winograd::adjoint(kernels, geometry, weight, maps, gate, block));
        }
        Self::Direct(Packed::adjoint(kernels, geometry, weight, maps, gate, block))
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
        match self {
            Self::Direct(parts) => {
                for part in parts {
                    part.run(kernels, block, input, Target::stored(output), finish, gate);
                }
            }
            Self::Winograd(parts) => {
                for part in parts {
                    part.run(kernels, block, (input, output), finish, gate, room);
                }
            }
        }
    }
}
