use candle_core::{DType, Device, Tensor};

use crate::expect::expect;
use crate::{Error, Result, Window};

/// Layers that turn images into maps, each reading maps made before it: a network that is only evaluated, of any
/// published architecture that consists of these layers.
///
/// Numbers that a trained network keeps beside its convolutions, such as a batch norm's, belong into the weights: an
/// inference computes what they fold to.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(super) nodes: Vec<Node>,
}

/// A map of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapId(pub(super) usize);

/// What an inference does to a convolution's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clip {
    /// Nothing.
    None,
    /// max(z, 0).
    Relu,
    /// min(max(z, 0), 6).
    Relu6,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) layer: Layer,
    pub(super) channels: usize,
    pub(super) side: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Layer {
    Image,
    Conv(Filter),
    Depthwise(Filter),
    MaxPool(MapId, Window),
    MeanPool(MapId, Window),
    Add(MapId, MapId),
    Concat(Vec<MapId>),
}

/// A convolution with its numbers.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) from: MapId,
    pub(super) window: Window,
    /// `[c_out, c_in, rows, columns]`, or `[c, 1, rows, columns]` of a depthwise one.
    pub(super) weight: Tensor,
    /// `[c_out]`.
    pub(super) bias: Tensor,
    pub(super) clip: Clip,
}

/// Channels that the parts of a concatenation come in, but for the last part.
const PART: usize = 16;

impl Graph {
    /// A graph of nothing but its input: images of `channels` channels and `side` rows and columns.
    pub fn new(channels: usize, side: usize) -> Self {
        Self { nodes: vec![Node { layer: Layer::Image, channels, side }] }
    }

    /// The images.
    pub fn image(&self) -> MapId {
        MapId(0)
    }

    /// Channels and side of a map of this graph.
    ///
    /// # Errors
    /// When it is no map of this graph, as all methods below.
    pub fn dims(&self, map: MapId) -> Result<(usize, usize)> {
        self.node(map).map(|node| (node.channels, node.side))
    }

    /// A convolution: `weight` `[c_out, c_in, rows, columns]` of the window, `bias` `[c_out]`.
    ///
    /// # Errors
    /// When shapes disagree or the window does not fit.
    pub fn conv(
        &mut self,
        from: MapId,
        window: Window,
        (weight, bias): (&Tensor, &Tensor),
        clip: Clip,
    ) -> Result<MapId> {
        let (c_in, _) = self.dims(from)?;
        let filter = self.filter((from, c_in), window, (weight, bias), clip)?;
        self.push_filter(filter, Layer::Conv)
    }

    /// A convolution of every channel by itself: `weight` `[c, 1, rows, columns]` of the window, `bias` `[c]`.
    ///
    /// # Errors
    /// When shapes disagree or the window does not fit.
    pub fn depthwise(
        &mut self,
        from: MapId,
        window: Window,
        (weight, bias): (&Tensor, &Tensor),
        clip: Clip,
    ) -> Result<MapId> {
        let (channels, _) = self.dims(from)?;
        expect(self.name("weight"), weight, &[channels, 0, 0, 0], weight.dtype())?;
        let filter = self.filter((from, 1), window, (weight, bias), clip)?;
        self.push_filter(filter, Layer::Depthwise)
    }

    /// The greatest value of every window; places outside the map do not count.
    ///
    /// # Errors
    /// When the window does not fit, or would lie outside the map as a whole.
    pub fn max_pool(&mut self, from: MapId, window: Window) -> Result<MapId> {
        let (channels, side) = self.pooled(from, &window)?;
        self.push(Layer::MaxPool(from, window), channels, side)
    }

    /// The mean of every window; places outside the map do not count (PyTorch's `count_include_pad=False`).
    ///
    /// # Errors
    /// As for [`max_pool`](Self::max_pool).
    pub fn mean_pool(&mut self, from: MapId, window: Window) -> Result<MapId> {
        let (channels, side) = self.pooled(from, &window)?;
        self.push(Layer::MeanPool(from, window), channels, side)
    }

    /// The mean of a whole map: side 1.
    ///
    /// # Errors
    /// When it is no map of this graph.
    pub fn mean(&mut self, from: MapId) -> Result<MapId> {
        let (_, side) = self.dims(from)?;
        self.mean_pool(from, Window::square(side, 1, 0))
    }

    /// The sum of two maps of one shape.
    ///
    /// # Errors
    /// When their shapes differ.
    pub fn add(&mut self, a: MapId, b: MapId) -> Result<MapId> {
        let (dims, others) = (self.dims(a)?, self.dims(b)?);
        if dims != others {
            return self.wrong(format!("adds maps of channels and side {dims:?} and {others:?}"));
        }
        self.push(Layer::Add(a, b), dims.0, dims.1)
    }

    /// The channels of several maps of one side, one after the other. All but the last come in multiples of 16.
    ///
    /// # Errors
    /// When there are no maps, their sides differ, or channels are no multiple of 16.
    pub fn concat(&mut self, parts: &[MapId]) -> Result<MapId> {
        let dims = parts.iter().map(|part| self.dims(*part)).collect::<Result<Vec<_>>>()?;
        let Some((_, rest)) = dims.split_last() else {
            return self.wrong("concatenates no maps".to_owned());
        };
        if let Some((_, side)) = dims.iter().find(|(_, side)| *side != dims[0].1) {
            return self.wrong(format!("concatenates maps of sides {} and {side}", dims[0].1));
        }
        if let Some((channels, _)) = rest.iter().find(|(channels, _)| !channels.is_multiple_of(PART)) {
            return self.wrong(format!("concatenates {channels} channels, which is no multiple of {PART}"));
        }
        let channels = dims.iter().map(|(channels, _)| channels).sum();
        self.push(Layer::Concat(parts.to_vec()), channels, dims[0].1)
    }

    /// A filter that reads `c_in` channels at a time.
    fn filter(
        &self,
        (from, c_in): (MapId, usize),
        window: Window,
        (weight, bias): (&Tensor, &Tensor),
        clip: Clip,
    ) -> Result<Filter> {
        let [rows, columns] = window.kernel;
        expect(self.name("weight"), weight, &[0, c_in, rows, columns], weight.dtype())?;
        expect(self.name("bias"), bias, &[weight.dim(0)?], weight.dtype())?;
        Ok(Filter { from, window, weight: weight.detach(), bias: bias.detach(), clip })
    }

    fn push_filter(&mut self, filter: Filter, layer: impl FnOnce(Filter) -> Layer) -> Result<MapId> {
        let (_, side) = self.dims(filter.from)?;
        let (channels, side) = (filter.weight.dim(0)?, filter.window.out_side(side)?);
        self.push(layer(filter), channels, side)
    }

    fn pooled(&self, from: MapId, window: &Window) -> Result<(usize, usize)> {
        let (channels, side) = self.dims(from)?;
        let out = window.out_side(side)?;
        let outside = |d: usize| {
            window.before[d] >= window.kernel[d] || (out - 1) * window.stride >= side + window.before[d]
        };
        if outside(0) || outside(1) {
            return self
                .wrong(format!("{window:?} has places that lie outside a map of side {side} as a whole"));
        }
        Ok((channels, out))
    }

    pub(super) fn node(&self, map: MapId) -> Result<&Node> {
        match self.nodes.get(map.0) {
            Some(node) => Ok(node),
            None => self.wrong(format!("reads map {}, which is of another graph", map.0)),
        }
    }

    fn push(&mut self, layer: Layer, channels: usize, side: usize) -> Result<MapId> {
        self.nodes.push(Node { layer, channels, side });
        Ok(MapId(self.nodes.len() - 1))
    }

    fn name(&self, part: &str) -> String {
        format!("layer {}: {part}", self.nodes.len() - 1)
    }

    fn wrong<T>(&self, reason: String) -> Result<T> {
        Err(Error::Layer { layer: self.nodes.len() - 1, reason })
    }

    /// Element type and device of the weights.
    ///
    /// # Errors
    /// When they disagree.
    pub(super) fn kind(&self) -> Result<(DType, Device)> {
        let filters = || {
            self.nodes.iter().enumerate().filter_map(|(at, node)| match &node.layer {
                Layer::Conv(filter) | Layer::Depthwise(filter) => Some((at - 1, filter)),
                _ => None,
            })
        };
        let Some((_, first)) = filters().next() else { return Ok((DType::F32, Device::Cpu)) };
        let (dtype, device) = (first.weight.dtype(), first.weight.device());
        for (layer, filter) in filters() {
            expect(format!("layer {layer}: weight"), &filter.weight, &[0; 4], dtype)?;
            if !filter.weight.device().same_device(device) || !filter.bias.device().same_device(device) {
                let reason = "weights lie on different devices: move them to one with `to_device`".to_owned();
                return Err(Error::Layer { layer, reason });
            }
        }
        Ok((dtype, device.clone()))
    }
}

impl Layer {
    /// The maps it reads.
    pub(super) fn reads(&self) -> Vec<MapId> {
        match self {
            Self::Image => vec![],
            Self::Conv(filter) | Self::Depthwise(filter) => vec![filter.from],
            Self::MaxPool(from, _) | Self::MeanPool(from, _) => vec![*from],
            Self::Add(a, b) => vec![*a, *b],
            Self::Concat(parts) => parts.clone(),
        }
    }
}
