use super::layout::{covers, maps};
use super::pool::Scratch;
use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::curve::Curve;
use crate::engine::Adjoint;
use crate::finish::Finish;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::weight_gradient::WeightGradient;
use crate::winograd::filter::{LARGE, SMALL};
use crate::winograd::room::Room;
use crate::winograd_convolution::Winograd;
use crate::winograd_cost::pays_strided;
use crate::winograd_gradient::WinogradGradient;
use crate::winograd_layout::{tile_count, tile_side};
use crate::{Direction, Error, MapLayer, Result};

/// Everything about a layer that does not depend on its weights.
pub(super) struct LayerPlan<P: Compiled> {
    pub(super) kernels: &'static Kernels<P>,
    pub(super) shape: MapLayer,
    pub(super) curve: Curve<P::Elem>,
    /// Layout of a block's input, as the layer reads it.
    pub(super) input: Map,
    /// Layout of the output before the norm.
    pub(super) raw: Map,
    /// Layout of a block's gradient of that, as the way back reads it.
    pub(super) grad: Map,
    /// Most images that a task takes at once.
    pub(super) images: usize,
    pub(super) weight_gradient: Gradient,
    /// Whether the convolution and its adjoint, with stride 2, go by Winograd's transforms.
    winograd: bool,
    /// Layout of cells that the convolution's adjoint makes before they are laid out as pixels.
    spread: Option<Map>,
}

/// The gradient of a layer's weight in its fastest form.
pub(super) enum Gradient {
    Direct(WeightGradient),
    Winograd(WinogradGradient),
}

/// The way back from a layer's gradient to its input.
pub(super) enum Back<P: Compiled> {
    /// To the gradient of the layer before, in its layout.
    Hidden(Convolution<P>),
    /// To the network's input.
    Pixels(Adjoint<P>),
}

/// Output pixels of a task: enough to use each weight many times while it is in the cache.
const PIXELS: usize = 256;
/// Winograd's tiles of a task, of large maps and of small ones, whose weights are more.
const TILES: (usize, usize) = (28, 56);
/// Most images of a task.
const IMAGES: usize = 32;
/// Tasks that a batch is cut into, where a layer's weights are not most of what it reads.
const TASKS: usize = 8;
/// Side of outputs from which on Winograd's transforms pay with stride 2: on small maps more time goes into reading weights, of
/// which there are more than before.
const SMALLEST: usize = 4;

impl<P: Compiled> LayerPlan<P> {
    pub(super) fn new(
        kernels: &'static Kernels<P>,
        l: usize,
        shape: MapLayer,
        (side, out): (usize, usize),
    ) -> Result<Self> {
        let (conv, c_out) = (shape.conv, shape.channels().1);
        let (conv_side, conv_out) = if shape.is_up() { (out, side) } else { (side, out) };
        let winograd = conv_out >= SMALLEST && pays_strided::<P>(&conv, conv_out, kernels);
        let raw = Map::new::<P::Stored>(out, c_out, (0, 0), kernels.lanes);
        let (input, grad) = maps(kernels, l, &shape, (side, out), winograd)?;
        // All phases of a few channels fill the vectors that one phase would not.
        let few = shape.is_up() && 4 * c_out <= kernels.lanes;
        let spread = (few && conv.stride == 2 && out == 2 * side)
            .then(|| Map::cells::<P::Stored>(conv_side, conv.c_in, (0, 0), kernels.lanes));
        let images = match winograd {
            true if tile_side(conv_out) == LARGE => TILES.0.div_ceil(tile_count(conv_out)),
            true => TILES.1.div_ceil(conv_out.div_ceil(SMALL).pow(2)),
            false => PIXELS / (out * out).min(side * side),
        };
        let images = images.clamp(1, IMAGES);
        for map in [&input, &raw, &grad] {
            map.check_addresses(images).map_err(|reason| Error::Layer { layer: l, reason })?;
        }
        let maps = if shape.is_up() { (&grad, &input) } else { (&input, &grad) };
        let weight_gradient = if winograd && WinogradGradient::pays::<P>(&conv, conv_out) {
            Gradient::Winograd(WinogradGradient::new(kernels.lanes, &conv, maps, images))
        } else {
            let sizes = (kernels.lanes, P::GROUP);
            Gradient::Direct(WeightGradient::new(sizes, &conv, maps, images).in_short_sums())
        };
        let curve = Curve::of(shape.activation);
        Ok(Self { kernels, shape, curve, input, raw, grad, images, weight_gradient, winograd, spread })
    }

    /// A block's input and gradient as the convolution's input and its output's gradient.
    pub(super) fn in_turn<'a, T>(&self, input: &'a [T], grad: &'a [T]) -> (&'a [T], &'a [T]) {
        if self.shape.is_up() { (grad, input) } else { (input, grad) }
    }

    /// Images of a task for a batch of `n`: a function of the batch and the layer alone, so that sums have the same bits on
    /// any number of threads.
    pub(super) fn task(&self, n: usize) -> usize {
        let few_weights = self.raw.side * self.input.side > 1;
        if few_weights { self.images.min(n.div_ceil(TASKS)) } else { self.images.min(n) }
    }

    /// The convolution of the layer itself.
    pub(super) fn forward(&self, weight: &[P::Elem]) -> Convolution<P> {
        match self.shape.direction {
            Direction::Down => self.ahead(weight, (&self.input, &self.raw)),
            Direction::Up { .. } => self.behind(weight, (&self.input, &self.raw)),
        }
    }

    /// The way back to `target`, the layout of the layer before's output, or to the network's input.
    pub(super) fn back(&self, weight: &[P::Elem], target: Option<&Map>) -> Back<P> {
        match (self.shape.direction, target) {
            (Direction::Down, Some(target)) => Back::Hidden(self.behind(weight, (&self.grad, target))),
            (Direction::Up { .. }, Some(target)) => Back::Hidden(self.ahead(weight, (&self.grad, target))),
            (Direction::Down, None) => {
                let (conv, side) = (&self.shape.conv, self.input.side);
                let adjoint = if covers(&self.shape, side) {
                    let map = self.pixels();
                    Adjoint::Pixels(Packed::spread(
                        self.kernels,
                        conv,
                        weight,
                        (&self.grad, &map),
                        self.images,
                    ))
                } else {
                    Adjoint::for_images(self.kernels, conv, weight, &self.grad, side, self.images)
                };
                Back::Pixels(adjoint)
            }
            (Direction::Up { .. }, None) => {
                let (conv, map) = (&self.shape.conv, self.pixels());
                let zeros = vec![P::Elem::ZERO; conv.c_out];
                let numbers = (weight, &zeros[..]);
                let maps = (&self.grad, &map);
                let (window, channels) = (conv.window(), conv.channels());
                let packed = Packed::forward(self.kernels, &window, channels, numbers, maps, self.images);
                Back::Pixels(Adjoint::Pixels(vec![packed]))
            }
        }
    }

    /// Makes room for what a task of so many images needs.
    pub(super) fn fit(&self, scratch: &mut Scratch<P>, images: usize) {
        scratch.input.grow(self.input.len(images));
        scratch.grad.grow(self.grad.len(images));
        scratch.output.grow(self.raw.len(images));
    }

    /// Runs the layer's own convolution from a block's input to its output.
    pub(super) fn run(
        &self,
        forward: &Convolution<P>,
        block: Block,
        scratch: &mut Scratch<P>,
        raw: &mut [P::Stored],
        room: &mut Room<P::Elem>,
    ) {
        let Scratch { input, cells, .. } = scratch;
        let spread = self.spread.as_ref().filter(|_| self.shape.is_up());
        self.run_by(spread, forward, block, input, (&self.raw, raw), (cells, room));
    }

    /// Runs the way back from a block's gradient to that of the layer below, of layout `map`.
    pub(super) fn run_back(
        &self,
        back: &Convolution<P>,
        block: Block,
        scratch: &mut Scratch<P>,
        (map, to): (&Map, &mut [P::Stored]),
        room: &mut Room<P::Elem>,
    ) {
        let Scratch { grad, cells, .. } = scratch;
        let spread = self.spread.as_ref().filter(|_| !self.shape.is_up());
        self.run_by(spread, back, block, grad, (map, to), (cells, room));
    }

    /// Runs a convolution, by way of a map of cells where it makes one.
    fn run_by(
        &self,
        spread: Option<&Map>,
        conv: &Convolution<P>,
        block: Block,
        from: &[P::Stored],
        (map, to): (&Map, &mut [P::Stored]),
        (cells, room): (&mut Aligned<P::Stored>, &mut Room<P::Elem>),
    ) {
        match spread {
            None => conv.run(self.kernels, block, (from, to), Finish::Plain, None, room),
            Some(spread) => {
                cells.grow(spread.len(self.images));
                conv.run(self.kernels, block, (from, cells), Finish::Plain, None, room);
                spread.copy_to(block.images, cells, (map, to));
            }
        }
    }

    /// The network's input without halo.
    pub(super) fn pixels(&self) -> Map {
        Map::new::<P::Elem>(self.input.side, self.input.channels, (0, 0), self.kernels.lanes)
    }

    /// The convolution.
    fn ahead(&self, weight: &[P::Elem], maps: (&Map, &Map)) -> Convolution<P> {
        let (kernels, window, channels) =
            (self.kernels, self.shape.conv.window(), self.shape.conv.channels());
        let zeros = vec![P::Elem::ZERO; channels.1];
        let numbers = (weight, &zeros[..]);
        if self.winograd {
            let parts = vec![Winograd::forward(kernels, &window, channels, numbers, maps, self.images)];
            return Convolution::Winograd(parts);
        }
        Convolution::forward(kernels, &window, channels, numbers, maps, self.images)
    }

    /// The convolution's adjoint, to [`Self::spread`] where there is that, else to the map it is for.
    fn behind(&self, weight: &[P::Elem], maps: (&Map, &Map)) -> Convolution<P> {
        let (kernels, conv, images) = (self.kernels, &self.shape.conv, self.images);
        if let Some(spread) = &self.spread {
            let maps = (maps.0, &spread.of_cells());
            return Convolution::Direct(vec![Packed::merged_adjoint(kernels, conv, weight, maps, images)]);
        }
        if self.winograd {
            return Convolution::Winograd(Winograd::adjoint(kernels, conv, weight, maps, None, images));
        }
        if covers(&self.shape, maps.1.side) {
            return Convolution::Direct(Packed::spread(kernels, conv, weight, maps, images));
        }
        Convolution::adjoint(kernels, conv, weight, maps, None, images)
    }
}
