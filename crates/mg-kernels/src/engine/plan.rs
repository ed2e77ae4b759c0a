use candle_core::Device;
use candle_core::WithDType;

use super::adjoint::Adjoint;
use super::fold::Folded;
use super::numbers::numbers;
use super::purpose::Purpose;
use super::stage::Stage;
use crate::aligned::{Aligned, Number};
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::simd::Level;
use crate::taps::adjoint_halo;
use crate::weight_gradient::WeightGradient;
use crate::winograd_cost::pays;
use crate::winograd_layout::tile_count;
use crate::{ConvGeometry, Error, LayerShape, LayerWeights, Result, ScoreShape, ScoreWeights};

/// Everything about a network that does not change between calls.
pub(crate) struct Plan<P: Compiled> {
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

pub(crate) struct LayerPlan<P: Compiled> {
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

impl<P: Compiled> Plan<P> {
    /// Lays out a network.
    pub(crate) fn new(
        shape: &ScoreShape,
        weights: &ScoreWeights,
        level: Level,
        purpose: Purpose,
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
            let planned = LayerPlan::new(kernels, layer, weights, around, block, purpose)?;
            for map in [maps[i], maps[i + 1], planned.grad] {
                map.check_addresses(block).map_err(|reason| Error::Layer { layer: i, reason })?;
            }
            layers.push(planned);
        }
        let last = maps[maps.len() - 1];
        let mut head = Aligned::zeroed(last.len(1));
        last.load::<P::Elem, P::Elem>(&numbers::<P::Elem>(&weights.head)?, &mut head);
        let head_bias = numbers::<P::Elem>(&weights.head_bias)?[0].to_f64();
        let coupled = purpose == Purpose::Statistics || shape.couples_images();
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

impl<P: Compiled> LayerPlan<P> {
    fn new(
        kernels: &Kernels<P>,
        layer: &LayerShape,
        weights: &LayerWeights,
        around: Around,
        block: usize,
        purpose: Purpose,
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
        let stage = Stage::new(layer, weights, (&bias, kernels.lanes), purpose)?;
        if purpose == Purpose::Directions {
            bias.fill(P::Elem::ZERO);
        }
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

/// Images per task: enough work in the costliest layer to use each weight many times while it is in the cache.
fn block<P: Compiled>(shape: &ScoreShape, kernels: &Kernels<P>) -> Result<usize> {
    const PIXELS: usize = 256;
    const TILES: usize = 56;
    let sides = shape.sides()?;
    let cost = |(i, layer): (usize, &LayerShape)| {
        let ConvGeometry { c_in, c_out, kernel, .. } = layer.conv;
        let window = layer.conv.window();
        let pixels = sides[i + 1] * sides[i + 1];
        let winograd = pays::<P>(&window, sides[i + 1], (c_in, c_out), kernels);
        let images = if winograd { TILES.div_ceil(tile_count(sides[i + 1])) } else { PIXELS / pixels };
        (c_in * c_out * kernel * kernel * pixels, images)
    };
    let images = shape.layers.iter().enumerate().map(cost).max().map_or(1, |(_, images)| images);
    Ok(images.clamp(1, 32))
}
