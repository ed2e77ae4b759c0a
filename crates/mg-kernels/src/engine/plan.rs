use candle_core::WithDType;
use candle_core::{Device, Tensor};

use super::fold::Folded;
use crate::aligned::Aligned;
use crate::convolution::Convolution;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::{Packed, Target};
use crate::pointwise::Curve;
use crate::share::Block;
use crate::simd::{Element, Level};
use crate::taps::adjoint_halo;
use crate::tile::Finish;
use crate::weight_gradient::WeightGradient;
use crate::winograd::Winograd;
use crate::{
    Activation, ConvGeometry, Error, LayerShape, LayerWeights, Norm, Result, ScoreShape, ScoreWeights,
};

/// Everything about a network that does not change between calls.
pub(crate) struct Plan<P: Format> {
    pub(crate) kernels: &'static Kernels<P>,
    pub(crate) layers: Vec<LayerPlan<P>>,
    /// Layout of the images, and of every layer's activations after it.
    pub(crate) maps: Vec<Map>,
    /// The head in the layout of the last map.
    pub(crate) head: Aligned<P::Elem>,
    pub(crate) head_bias: f64,
    /// Elements of an image.
    pub(crate) pixels: usize,
    /// Most images that a task takes at once.
    pub(crate) block: usize,
    /// Whether images depend on each other.
    pub(crate) coupled: bool,
    /// Where results go.
    pub(crate) device: Device,
}

pub(crate) struct LayerPlan<P: Format> {
    pub(crate) conv: ConvGeometry,
    pub(crate) stage: Stage<P>,
    pub(crate) forward: Convolution<P>,
    pub(crate) adjoint: Adjoint<P>,
    /// Layout of the convolution's output and of its activation's gradient.
    pub(crate) raw: Map,
    /// Layout of the gradient of the convolution's output, with the adjoint's halo.
    pub(crate) grad: Map,
    pub(crate) weight_gradient: WeightGradient,
    pub(crate) folded: Option<Folded>,
}

/// The way from a layer's gradient to the one before it.
pub(crate) enum Adjoint<P: Format> {
    Hidden(Convolution<P>),
    /// For the first layer, a part per phase of the stride.
    Pixels(Vec<Packed<P>>),
    /// For the first layer too: all phases at once, into this map of `stride x stride` cells.
    Cells(Box<Packed<P>>, Map),
}

/// What lies between a convolution and its activation.
pub(crate) enum Stage<P: Format> {
    /// Nothing (or constants, folded into the weights) and leaky ReLU: the convolution writes activations, and their
    /// signs tell the derivative.
    Direct { slope: P::Elem },
    /// The convolution's output is kept; activations are made from it.
    Staged { norm: StagedNorm, curve: Curve<P::Elem>, gamma: Aligned<P::Elem>, beta: Aligned<P::Elem> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StagedNorm {
    None,
    Batch { eps: f64 },
    Group { groups: usize, eps: f64 },
}

impl<P: Format> Plan<P> {
    /// Lays out a network; `observing` keeps every convolution's output.
    pub(crate) fn new(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        level: Level,
        observing: bool,
    ) -> Result<Self> {
        let kernels = P::kernels(level);
        let (sides, block) = (shape.sides()?, block::<P>(shape, kernels)?);
        let mut maps = Vec::with_capacity(sides.len());
        for (i, side) in sides.iter().enumerate() {
            let halo = shape.layers.get(i).map_or((0, 0), |layer| {
                let overhang = Convolution::<P>::forward_overhang(
                    &layer.conv.window(),
                    layer.conv.channels(),
                    sides[i + 1],
                    kernels,
                );
                (layer.conv.pad_before, layer.conv.pad_after + overhang)
            });
            maps.push(match i.checked_sub(1) {
                Some(before) => {
                    Map::new::<P::Stored>(*side, shape.layers[before].conv.c_out, halo, kernels.lanes)
                }
                None if shape.channels >= kernels.lanes => {
                    Map::new::<P::Stored>(*side, shape.channels, halo, kernels.lanes)
                }
                None => Map::dense(*side, shape.channels, halo),
            });
        }
        let mut layers: Vec<LayerPlan<P>> = Vec::with_capacity(shape.layers.len());
        for (i, (layer, weights)) in shape.layers.iter().zip(&weights.layers).enumerate() {
            let gated = layers.last().is_some_and(|before| matches!(before.stage, Stage::Direct { .. }));
            let output = layers.last().map(|before| if gated { before.grad } else { before.raw });
            let around = Around { input: maps[i], output: maps[i + 1], target: output, gated };
            let planned = LayerPlan::new(kernels, layer, weights, around, block, observing)?;
            for map in [maps[i], maps[i + 1], planned.grad] {
                map.check_addresses(block).map_err(|reason| Error::Layer { layer: i, reason })?;
            }
            layers.push(planned);
        }
        let last = maps[maps.len() - 1];
        let mut head = Aligned::zeroed(last.len(1));
        last.load::<P::Elem, P::Elem>(&numbers::<P::Elem>(&weights.head)?, &mut head);
        let head_bias = numbers::<P::Elem>(&weights.head_bias)?[0].to_f64();
        let coupled = observing || shape.couples_images();
        let pixels = shape.channels * shape.side * shape.side;
        let device = weights.head.device().clone();
        Ok(Self { kernels, layers, maps, head, head_bias, pixels, block, coupled, device })
    }
}

/// The layouts around a layer: its input, its activations, where its adjoint writes (`None` for images), and whether
/// the layer before gates the adjoint's result.
struct Around {
    input: Map,
    output: Map,
    target: Option<Map>,
    gated: bool,
}

impl<P: Format> LayerPlan<P> {
    fn new(
        kernels: &Kernels<P>,
        layer: &LayerShape,
        weights: &LayerWeights,
        around: Around,
        block: usize,
        observing: bool,
    ) -> Result<Self> {
        let conv = layer.conv;
        let (mut weight, mut bias) =
            (numbers::<P::Elem>(&weights.weight)?, numbers::<P::Elem>(&weights.bias)?);
        let folded = Folded::new(layer, weights)?;
        if let Some(folded) = &folded {
            folded.fold(weights, &mut weight, &mut bias)?;
        }
        let side = around.output.side;
        let raw = Map::new::<P::Stored>(side, conv.c_out, (0, 0), kernels.lanes);
        let (before, after) = adjoint_halo(&conv, around.input.side)?;
        let overhang = Convolution::<P>::adjoint_overhang(&conv, around.input.side, kernels);
        let grad = Map::new::<P::Stored>(side, conv.c_out, (before, after + overhang), kernels.lanes);
        let stage = Stage::new(layer, weights, kernels.lanes, observing)?;
        let output = if matches!(stage, Stage::Direct { .. }) { around.output } else { raw };
        let forward = Convolution::forward(
            kernels,
            &conv.window(),
            conv.channels(),
            (&weight, &bias),
            (&around.input, &output),
            block,
        );
        let adjoint = match around.target {
            Some(target) => {
                let gate = around.gated.then_some(&around.input);
                Adjoint::Hidden(Convolution::adjoint(kernels, &conv, &weight, (&grad, &target), gate, block))
            }
            None => Adjoint::for_images(kernels, &conv, &weight, &grad, around.input.side, block),
        };
        let weight_gradient =
            WeightGradient::new((kernels.lanes, P::GROUP), &conv, (&around.input, &grad), block);
        Ok(Self { conv, stage, forward, adjoint, raw, grad, weight_gradient, folded })
    }
}

impl<P: Format> Adjoint<P> {
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

impl<P: Format> Stage<P> {
    fn new(layer: &LayerShape, weights: &LayerWeights, lanes: usize, observing: bool) -> Result<Self> {
        let norm = match layer.norm {
            Norm::None | Norm::Fixed { .. } => StagedNorm::None,
            Norm::Batch { eps } => StagedNorm::Batch { eps },
            Norm::Group { groups, eps } => StagedNorm::Group { groups, eps },
        };
        if let (StagedNorm::None, Activation::LeakyRelu { slope }, false) =
            (norm, layer.activation, observing)
        {
            return Ok(Self::Direct { slope: P::Elem::of(slope) });
        }
        let width = layer.conv.c_out.next_multiple_of(lanes);
        let (mut gamma, mut beta) = (Aligned::zeroed(width), Aligned::zeroed(width));
        match (norm, &weights.affine) {
            (StagedNorm::Batch { .. } | StagedNorm::Group { .. }, Some((g, b))) => {
                gamma[..layer.conv.c_out].copy_from_slice(&numbers::<P::Elem>(g)?);
                beta[..layer.conv.c_out].copy_from_slice(&numbers::<P::Elem>(b)?);
            }
            _ => gamma[..layer.conv.c_out].fill(P::Elem::of(1.0)),
        }
        Ok(Self::Staged { norm, curve: Curve::of(layer.activation), gamma, beta })
    }
}

pub(crate) fn numbers<E: Element>(tensor: &Tensor) -> Result<Vec<E>> {
    Ok(tensor.flatten_all()?.to_vec1::<E>()?)
}

/// Images per task: enough work in the costliest layer to use each weight many times while it is in the cache.
fn block<P: Format>(shape: &ScoreShape, kernels: &Kernels<P>) -> Result<usize> {
    const PIXELS: usize = 256;
    const TILES: usize = 56;
    let sides = shape.sides()?;
    let cost = |(i, layer): (usize, &LayerShape)| {
        let ConvGeometry { c_in, c_out, kernel, .. } = layer.conv;
        let window = layer.conv.window();
        let pixels = sides[i + 1] * sides[i + 1];
        let winograd = Winograd::<P>::pays(&window, sides[i + 1], (c_in, c_out), kernels);
        let images =
            if winograd { TILES.div_ceil(Winograd::<P>::tiles(sides[i + 1])) } else { PIXELS / pixels };
        (c_in * c_out * kernel * kernel * pixels, images)
    };
    let images = shape.layers.iter().enumerate().map(cost).max().map_or(1, |(_, images)| images);
    Ok(images.clamp(1, 32))
}
