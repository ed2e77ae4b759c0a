use super::graph::{Clip, Filter, Graph, Layer, MapId, Node};
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::convolution::Convolution;
use crate::engine::numbers;
use crate::finish::Finish;
use crate::format::Whole;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::simd::Level;
use crate::windows::Pooling;
use crate::winograd_convolution::Winograd;
use crate::winograd_cost::pays;
use crate::winograd_layout::{tile_count, tile_overhang};
use crate::{Error, Result, Window};

pub(super) type F32 = Whole<f32>;

/// A graph laid out for this processor: steps that take one image's maps from buffer to buffer.
pub(super) struct Plan {
    pub(super) kernels: &'static Kernels<F32>,
    pub(super) steps: Vec<Step>,
    /// Elements of every buffer.
    pub(super) buffers: Vec<usize>,
    pub(super) image: Place,
    pub(super) outputs: Vec<Place>,
}

/// Where a map lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) buffer: usize,
    pub(super) map: Map,
}

pub(super) struct Step {
    pub(super) work: Work,
    pub(super) from: Place,
    pub(super) to: Place,
}

pub(super) enum Work {
    Conv(Convolution<F32>, Finish<f32>),
    Depthwise { window: Window, weights: Aligned<f32>, bias: Aligned<f32>, finish: Finish<f32> },
    Pool(Window, Pooling),
    Add(Place),
}

/// Transformed tiles of one image from which on Winograd's products are large enough to pay.
const TILES: usize = 28;

impl Plan {
    pub(super) fn new(graph: &Graph, outputs: &[MapId], level: Level) -> Result<Self> {
        let kernels = F32::kernels(level);
        let places = Places::new(graph, outputs, kernels)?;
        let mut steps = vec![];
        for (at, node) in graph.nodes.iter().enumerate() {
            let (to, place) = (places.of[at], |map: MapId| places.of[map.0]);
            let step = |work, from: MapId, to| Step { work, from: place(from), to };
            match &node.layer {
                Layer::Image => {}
                Layer::Conv(filter) => {
                    steps.push(step(convolution(kernels, filter, place(filter.from), to)?, filter.from, to));
                }
                Layer::Depthwise(filter) => {
                    steps.push(step(depthwise(kernels, filter, &to.map)?, filter.from, to));
                }
                Layer::MaxPool(from, window) => {
                    steps.push(step(Work::Pool(*window, Pooling::Max), *from, to));
                }
                Layer::MeanPool(from, window) => {
                    steps.push(step(Work::Pool(*window, Pooling::Mean), *from, to));
                }
                Layer::Add(a, b) => steps.push(step(Work::Add(place(*b)), *a, to)),
                Layer::Concat(parts) => {
                    let mut first = 0;
                    for part in parts {
                        let (from, channels) = (place(*part), graph.nodes[part.0].channels);
                        let target = Place { map: to.map.part(first, channels), ..to };
                        if (from.buffer, from.map.first) != (target.buffer, target.map.first) {
                            let copy = Work::Pool(Window::square(1, 1, 0), Pooling::Mean);
                            steps.push(step(copy, *part, target));
                        }
                        first += channels;
                    }
                }
            }
        }
        let outputs = outputs.iter().map(|map| places.of[map.0]).collect();
        Ok(Self { kernels, steps, buffers: places.lengths, image: places.of[0], outputs })
    }
}

fn finish(clip: Clip) -> Finish<f32> {
    match clip {
        Clip::None => Finish::Plain,
        Clip::Relu => Finish::Leaky(0.0),
        Clip::Relu6 => Finish::Clipped(6.0),
    }
}

fn winograd(filter: &Filter, side: usize, kernels: &Kernels<F32>) -> Result<bool> {
    let (c_out, c_in, _, _) = filter.weight.dims4()?;
    Ok(pays::<F32>(&filter.window, side, (c_in, c_out), kernels) && tile_count(side) >= TILES)
}

fn convolution(kernels: &Kernels<F32>, filter: &Filter, from: Place, to: Place) -> Result<Work> {
    let (c_out, c_in, _, _) = filter.weight.dims4()?;
    let (weight, bias) = (numbers::<f32>(&filter.weight)?, numbers::<f32>(&filter.bias)?);
    let (window, channels, numbers) = (&filter.window, (c_in, c_out), (&*weight, &*bias));
    let maps = (&from.map, &to.map);
    let conv = match winograd(filter, to.map.side, kernels)? {
        true => Convolution::Winograd(vec![Winograd::forward(kernels, window, channels, numbers, maps, 1)]),
        false => Convolution::Direct(vec![Packed::forward(kernels, window, channels, numbers, maps, 1)]),
    };
    Ok(Work::Conv(conv, finish(filter.clip)))
}

fn depthwise(kernels: &Kernels<F32>, filter: &Filter, to: &Map) -> Result<Work> {
    let (channels, area) = (to.channels, filter.window.area());
    let width = channels.next_multiple_of(kernels.lanes);
    let (mut weights, mut bias) = (Aligned::zeroed(area * width), Aligned::zeroed(width));
    for (c, taps) in numbers::<f32>(&filter.weight)?.chunks_exact(area).enumerate() {
        taps.iter().enumerate().for_each(|(k, weight)| weights[k * width + c] = *weight);
    }
    bias[..channels].copy_from_slice(&numbers::<f32>(&filter.bias)?);
    Ok(Work::Depthwise { window: filter.window, weights, bias, finish: finish(filter.clip) })
}

/// Where every map of a graph lies. Parts of a concatenation lie in it from the start where nothing else reads them;
/// buffers of one layout serve again when nothing will read them any more.
struct Places {
    of: Vec<Place>,
    lengths: Vec<usize>,
}

impl Places {
    fn new(graph: &Graph, outputs: &[MapId], kernels: &Kernels<F32>) -> Result<Self> {
        let homes = homes(graph, outputs);
        let layouts = layouts(graph, &homes, kernels)?;
        let mut last_use: Vec<usize> = (0..graph.nodes.len()).collect();
        for (at, node) in graph.nodes.iter().enumerate() {
            node.layer.reads().iter().for_each(|read| last_use[homes[read.0].0] = at);
        }
        outputs.iter().for_each(|map| last_use[homes[map.0].0] = usize::MAX);
        let (mut lengths, mut free, mut buffer) =
            (vec![], Vec::<(Map, usize)>::new(), vec![None; graph.nodes.len()]);
        let mut of = vec![];
        for (at, (home, first)) in homes.iter().copied().enumerate() {
            let layout = layouts[home];
            let number = *buffer[home].get_or_insert_with(|| {
                let alike = free.iter().position(|(map, _)| {
                    (map.side, map.before, map.padded, map.pitch)
                        == (layout.side, layout.before, layout.padded, layout.pitch)
                });
                alike.map(|i| free.swap_remove(i).1).unwrap_or_else(|| {
                    lengths.push(layout.len(1));
                    lengths.len() - 1
                })
            });
            of.push(Place { buffer: number, map: layout.part(first, graph.nodes[at].channels) });
            let done = (0..graph.nodes.len()).filter(|home| last_use[*home] == at && *home > 0);
            free.extend(done.filter_map(|home| Some((layouts[home], buffer[home]?))));
        }
        Ok(Self { of, lengths })
    }
}

/// The node whose buffer holds each node's map, and the channels before it there.
fn homes(graph: &Graph, outputs: &[MapId]) -> Vec<(usize, usize)> {
    let mut readers = vec![0; graph.nodes.len()];
    graph.nodes.iter().flat_map(|node| node.layer.reads()).for_each(|read| readers[read.0] += 1);
    outputs.iter().for_each(|map| readers[map.0] += 1);
    let mut homes: Vec<_> = (0..graph.nodes.len()).map(|at| (at, 0)).collect();
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        let Layer::Concat(parts) = &node.layer else { continue };
        let (home, mut first) = homes[at];
        for part in parts {
            if readers[part.0] == 1 && part.0 > 0 {
                homes[part.0] = (home, first);
            }
            first += graph.nodes[part.0].channels;
        }
    }
    homes
}

/// The layout of every home: its halo holds all windows that read it or a part of it.
fn layouts(graph: &Graph, homes: &[(usize, usize)], kernels: &Kernels<F32>) -> Result<Vec<Map>> {
    let mut halos = vec![(0, 0); graph.nodes.len()];
    for node in &graph.nodes {
        let (Layer::Conv(filter) | Layer::Depthwise(filter)) = &node.layer else { continue };
        let (window, side) = (&filter.window, graph.nodes[filter.from.0].side);
        let overhang = match node.layer {
            Layer::Conv(_) if winograd(filter, node.side, kernels)? => tile_overhang(node.side),
            _ => 0,
        };
        let halo = &mut halos[homes[filter.from.0].0];
        for d in 0..2 {
            let end = (node.side - 1) * window.stride + window.kernel[d] + overhang;
            halo.0 = halo.0.max(window.before[d]);
            halo.1 = halo.1.max(end.saturating_sub(side + window.before[d]));
        }
    }
    let others = |node: &&Node| !matches!(node.layer, Layer::Conv(_));
    let dense = !graph.nodes.iter().filter(others).any(|node| node.layer.reads().contains(&graph.image()));
    let dense = dense && graph.nodes[0].channels < kernels.lanes;
    let mut layouts = vec![];
    for (at, node) in graph.nodes.iter().enumerate() {
        let map = match node.layer {
            Layer::Image if dense => Map::dense(node.side, node.channels, halos[at]),
            _ => Map::new::<f32>(node.side, node.channels, halos[at], kernels.lanes),
        };
        map.check_addresses(1).map_err(|reason| Error::Layer { layer: at.saturating_sub(1), reason })?;
        layouts.push(map);
    }
    Ok(layouts)
}
