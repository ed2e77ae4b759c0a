use crate::ConvGeometry;
use crate::block::Block;
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::finish::Finish;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::target::Target;

/// The way from a layer's gradient to the one before it.
pub(crate) enum Adjoint<P: Compiled> {
    Hidden(Convolution<P>),
    /// For the first layer, a part per phase of the stride.
    Pixels(Vec<Packed<P>>),
    /// For the first layer too: all phases at once, into this map of `stride x stride` cells.
    Cells(Box<Packed<P>>, Map),
}

impl<P: Compiled> Adjoint<P> {
    /// The first layer's adjoint, in whichever form costs less.
    pub(crate) fn for_images(
        kernels: &Kernels<P>,
        conv: &ConvGeometry,
        weight: &[P::Elem],
        grad: &Map,
        side: usize,
        block: usize,
    ) -> Self {
        let (cells, lanes) = (conv.stride * conv.stride, kernels.lanes);
        let (low, high) = conv.adjoint_reach();
        let reach = (high - low + 1) as usize;
        let merged = reach * reach * (cells * conv.c_in).div_ceil(lanes);
        let phases = conv.kernel * conv.kernel * conv.c_in.div_ceil(lanes);
        if merged <= phases {
            let map = Map::new::<P::Elem>(side.div_ceil(conv.stride), cells * conv.c_in, (0, 0), lanes);
            return Self::Cells(
                Box::new(Packed::merged_adjoint(kernels, conv, weight, (grad, &map), block)),
                map,
            );
        }
        let map = Map::new::<P::Elem>(side, conv.c_in, (0, 0), lanes);
        Self::Pixels(Packed::adjoint(kernels, conv, weight, (grad, &map), None, block))
    }

    /// The map between the gradient and the images' order: of pixels, or of cells of `stride x stride` pixels.
    pub(crate) fn map(&self, kernels: &Kernels<P>, image: &Map) -> Map {
        match self {
            Self::Cells(_, map) => *map,
            Self::Pixels(_) | Self::Hidden(_) => {
                Map::new::<P::Elem>(image.side, image.channels, (0, 0), kernels.lanes)
            }
        }
    }

    /// From the gradient of the first convolution's output to images `[n, c, y, x]`, by way of `map`.
    pub(crate) fn reach_images(
        &self,
        kernels: &Kernels<P>,
        block: Block,
        (grad, cells): (&[P::Stored], &mut [P::Elem]),
        (image, map): (&Map, &Map),
        stride: usize,
        dx: &mut [P::Elem],
    ) {
        let (side, channels) = (image.side, image.channels);
        match self {
            Self::Hidden(_) => {}
            Self::Pixels(parts) => {
                for part in parts {
                    part.run(kernels, block, grad, Target::elem(cells), Finish::Plain, None);
                }
                map.store(cells, dx);
            }
            Self::Cells(packed, _) => {
                packed.run(kernels, block, grad, Target::elem(cells), Finish::Plain, None);
                let across = stride * channels;
                for (n, image) in dx.chunks_exact_mut(channels * side * side).enumerate() {
                    for y in 0..side {
                        let row = &cells[map.at(n, y / stride, 0) + y % stride * across..];
                        for (x, values) in row.chunks(map.pitch).take(map.side).enumerate() {
                            // The values of `stride` pixels side by side, fewer where the image ends.
                            for (rx, pixel) in values[..across].chunks_exact(channels).enumerate() {
                                let at = x * stride + rx;
                                if at < side {
                                    for (c, value) in pixel.iter().enumerate() {
                                        image[(c * side + y) * side + at] = *value;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
