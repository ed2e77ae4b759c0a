//! A graph by candle's tensor operations, on any device and in any float type.

use candle_core::{Device, Tensor};

use super::graph::{Clip, Filter, Graph, Layer, MapId};
use crate::{Result, Window};

/// The maps `outputs` of images `x` [n, c, s, s].
pub(super) fn run(graph: &Graph, x: &Tensor, outputs: &[MapId]) -> Result<Vec<Tensor>> {
    let mut maps: Vec<Tensor> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let side = node.side;
        let map = match &node.layer {
            Layer::Image => x.clone(),
            Layer::Conv(filter) => conv(&maps[filter.from.0], filter)?,
            Layer::Depthwise(filter) => depthwise(&maps[filter.from.0], filter, side)?,
            Layer::MaxPool(from, window) => {
                reduce(taps(&maps[from.0], window, f64::NEG_INFINITY, side)?, |a, b| a.maximum(b))?
            }
            Layer::MeanPool(from, window) => mean_pool(&maps[from.0], window, side)?,
            Layer::Add(a, b) => (&maps[a.0] + &maps[b.0])?,
            Layer::Concat(parts) => Tensor::cat(&parts.iter().map(|p| &maps[p.0]).collect::<Vec<_>>(), 1)?,
        };
        maps.push(map);
    }
    Ok(outputs.iter().map(|map| maps[map.0].clone()).collect())
}

fn conv(x: &Tensor, filter: &Filter) -> Result<Tensor> {
    let x = pad(x, &filter.window, 0.0)?;
    let z = x.conv2d(&filter.weight.contiguous()?, 0, filter.window.stride, 1, 1)?;
    clip(z, filter)
}

fn depthwise(x: &Tensor, filter: &Filter, side: usize) -> Result<Tensor> {
    let (channels, area) = (x.dim(1)?, filter.window.area());
    let weights = filter.weight.reshape((channels, area))?;
    let taps = taps(x, &filter.window, 0.0, side)?;
    let weighted = taps
        .iter()
        .enumerate()
        .map(|(k, tap)| Ok(tap.broadcast_mul(&weights.narrow(1, k, 1)?.reshape((1, channels, 1, 1))?)?));
    clip(reduce(weighted.collect::<Result<_>>()?, |a, b| a + b)?, filter)
}

fn mean_pool(x: &Tensor, window: &Window, side: usize) -> Result<Tensor> {
    let ones = Tensor::ones((1, 1, x.dim(2)?, x.dim(3)?), x.dtype(), x.device())?;
    let counts = reduce(taps(&ones, window, 0.0, side)?, |a, b| a + b)?;
    Ok(reduce(taps(x, window, 0.0, side)?, |a, b| a + b)?.broadcast_div(&counts)?)
}

fn clip(z: Tensor, filter: &Filter) -> Result<Tensor> {
    let z = z.broadcast_add(&filter.bias.reshape((1, (), 1, 1))?)?;
    Ok(match filter.clip {
        Clip::None => z,
        Clip::Relu => z.relu()?,
        Clip::Relu6 => z.clamp(0.0, 6.0)?,
    })
}

/// The map with `value` around it, as the window asks for.
fn pad(x: &Tensor, window: &Window, value: f64) -> Result<Tensor> {
    let mut x = x.clone();
    for d in 0..2 {
        let fill = |length: usize| -> Result<Tensor> {
            let mut dims = x.dims().to_vec();
            dims[2 + d] = length;
            Ok(Tensor::full(value as f32, dims, x.device())?.to_dtype(x.dtype())?)
        };
        let parts = match (window.before[d], window.after[d]) {
            (0, 0) => continue,
            (0, after) => vec![x.clone(), fill(after)?],
            (before, 0) => vec![fill(before)?, x.clone()],
            (before, after) => vec![fill(before)?, x.clone(), fill(after)?],
        };
        x = Tensor::cat(&parts, 2 + d)?;
    }
    Ok(x.contiguous()?)
}

/// For every place of the window, what all outputs read there: [n, c, side, side] each.
fn taps(x: &Tensor, window: &Window, outside: f64, side: usize) -> Result<Vec<Tensor>> {
    let x = pad(x, window, outside)?;
    let places = |k: usize, device: &Device| -> Result<Tensor> {
        let at: Vec<u32> = (0..side).map(|i| (i * window.stride + k) as u32).collect();
        Ok(Tensor::new(at, device)?)
    };
    let tap = |(ky, kx)| -> Result<Tensor> {
        let rows = x.index_select(&places(ky, x.device())?, 2)?;
        Ok(rows.index_select(&places(kx, x.device())?, 3)?)
    };
    window.taps().map(tap).collect()
}

fn reduce(
    tensors: Vec<Tensor>,
    combine: impl Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<Tensor> {
    let mut tensors = tensors.into_iter();
    let first = tensors.next().ok_or_else(|| candle_core::Error::Msg("a window without places".into()))?;
    Ok(tensors.try_fold(first, |sum, next| combine(&sum, &next))?)
}
