use mg_kernels::{Clip, MapId, Window};

use crate::Result;
use crate::layers::Layers;

/// Blocks of one shape that follow each other.
struct Stage {
    blocks: usize,
    kernel: usize,
    /// Stride of the first block; the others have stride 1.
    stride: usize,
    /// Channels inside a block, as a multiple of those that enter it.
    expansion: usize,
    channels: usize,
}

const fn stage(blocks: usize, kernel: usize, stride: usize, expansion: usize, channels: usize) -> Stage {
    Stage { blocks, kernel, stride, expansion, channels }
}

/// EfficientNet-Lite0's seven stages (Tan & Le, "EfficientNet", ICML 2019, table 1, without squeeze and excitation).
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// The means over the last 7 x 7 map, 1280 per image.
pub(crate) fn features(net: &mut Layers<'_>) -> Result<MapId> {
    let image = net.graph.image();
    let window = tensorflow_same(net, image, 3, 2)?;
    let mut x = net.conv(image, window, ("_conv_stem.weight", "_bn0"), Clip::Relu6)?;
    let mut number = 0;
    for stage in &STAGES {
        for block in 0..stage.blocks {
            x = inverted_bottleneck(net, x, number, stage, if block == 0 { stage.stride } else { 1 })?;
            number += 1;
        }
    }
    let x = net.conv(x, Window::square(1, 1, 0), ("_conv_head.weight", "_bn1"), Clip::Relu6)?;
    Ok(net.graph.mean(x)?)
}

/// Expands, convolves every channel by itself, projects; and adds the input where shapes allow it.
fn inverted_bottleneck(
    net: &mut Layers<'_>,
    from: MapId,
    number: usize,
    stage: &Stage,
    stride: usize,
) -> Result<MapId> {
    let point = Window::square(1, 1, 0);
    let name = |part: &str| format!("_blocks.{number}.{part}");
    let mut x = from;
    if stage.expansion > 1 {
        x = net.conv(x, point, (&name("_expand_conv.weight"), &name("_bn0")), Clip::Relu6)?;
    }
    let window = tensorflow_same(net, x, stage.kernel, stride)?;
    x = net.depthwise(x, window, (&name("_depthwise_conv.weight"), &name("_bn1")), Clip::Relu6)?;
    x = net.conv(x, point, (&name("_project_conv.weight"), &name("_bn2")), Clip::None)?;
    let (channels, _) = net.graph.dims(from)?;
    match stride == 1 && channels == stage.channels {
        true => Ok(net.graph.add(x, from)?),
        false => Ok(x),
    }
}

/// TensorFlow's SAME padding: `ceil(side / stride)` outputs, the odd row of zeros after the map.
fn tensorflow_same(net: &Layers<'_>, map: MapId, kernel: usize, stride: usize) -> Result<Window> {
    let (_, side) = net.graph.dims(map)?;
    let padding = ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
    let (before, after) = (padding / 2, padding - padding / 2);
    Ok(Window { kernel: [kernel; 2], stride, before: [before; 2], after: [after; 2] })
}
