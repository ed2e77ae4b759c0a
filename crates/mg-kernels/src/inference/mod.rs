//! Networks that are only evaluated: a graph of layers, run image by image.

mod graph;
mod plan;
mod tensor;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Tensor};
use rayon::prelude::*;

pub use graph::{Clip, Graph, MapId};
use plan::{Place, Plan, Step, Work};

use crate::aligned::Aligned;
use crate::block::Block;
use crate::cpu_conv::with_elements;
use crate::expect::expect;
use crate::simd::Level;
use crate::windows::{Depthwise, Pool};
use crate::winograd::room::Room;
use crate::{Error, Result, Route};

/// A [`Graph`] ready to run, its weights packed for this processor.
///
/// Every image runs by itself on one thread, from map to map in that core's cache, and its results do not depend on
/// the others. The fused route computes in f32 on the CPU; elsewhere candle's tensor operations do.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mg_kernels::{Clip, Graph, Inference, Window};
///
/// let mut graph = Graph::new(3, 8);
/// let weight = Tensor::full(0.1f32, (16, 3, 3, 3), &Device::Cpu)?;
/// let bias = Tensor::zeros(16, DType::F32, &Device::Cpu)?;
/// let conv = graph.conv(graph.image(), Window::square(3, 2, 1), (&weight, &bias), Clip::Relu)?;
/// let mean = graph.mean(conv)?;
///
/// let net = Inference::new(&graph, &[mean])?;
/// let x = Tensor::ones((5, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.run(&x)?[0].dims(), [5, 16, 1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Inference {
    graph: Graph,
    outputs: Vec<MapId>,
    dtype: DType,
    fused: Option<Fused>,
}

struct Fused {
    plan: Plan,
    /// Workspaces of earlier calls.
    pool: Mutex<Vec<Workspace>>,
}

/// One image's maps; their halos are zero from the start and never written.
struct Workspace {
    buffers: Vec<Aligned<f32>>,
    room: Room<f32>,
}

impl Inference {
    /// A network that computes the maps `outputs`.
    ///
    /// # Errors
    /// When weights have different element types, an output is no map of the graph, or a map is too large.
    pub fn new(graph: &Graph, outputs: &[MapId]) -> Result<Self> {
        let (dtype, device) = graph.kind()?;
        let fused = dtype == DType::F32 && device.is_cpu();
        Self::with_route(graph, outputs, if fused { Route::Fused } else { Route::Tensor })
    }

    /// The same by a given route.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the route cannot run where the weights are.
    pub fn with_route(graph: &Graph, outputs: &[MapId], route: Route) -> Result<Self> {
        Self::at_level(graph, outputs, route, Level::best())
    }

    pub(crate) fn at_level(graph: &Graph, outputs: &[MapId], route: Route, level: Level) -> Result<Self> {
        outputs.iter().try_for_each(|map| graph.dims(*map).map(drop))?;
        let (dtype, device) = graph.kind()?;
        let fused = match route {
            Route::Tensor => None,
            Route::Fused if dtype != DType::F32 || !device.is_cpu() => {
                return Err(Error::Route { dtype, device: format!("{:?}", device.location()) });
            }
            Route::Fused => Some(Fused { plan: Plan::new(graph, outputs, level)?, pool: Mutex::default() }),
        };
        Ok(Self { graph: graph.clone(), outputs: outputs.to_vec(), dtype, fused })
    }

    /// Element type that it computes with and takes: the weights', or f32 without weights.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The outputs of images `x` [n, c, s, s], in the order asked for, [n, channels, side, side] each.
    ///
    /// # Errors
    /// When `x` has another shape or element type than the graph.
    pub fn run(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let (channels, side) = self.graph.dims(self.graph.image())?;
        expect("x", x, &[0, channels, side, side], self.dtype)?;
        match &self.fused {
            Some(fused) => fused.run(x),
            None => tensor::run(&self.graph, x, &self.outputs),
        }
    }
}

impl Fused {
    fn run(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let n = x.dim(0)?;
        let each = (x.elem_count() / n.max(1)).max(1);
        let size = |place: &Place| place.map.channels * place.map.side * place.map.side;
        let mut results: Vec<Vec<f32>> = self.plan.outputs.iter().map(|p| vec![0.0; n * size(p)]).collect();
        with_elements(x, |x: &[f32]| {
            let mut rows: Vec<Vec<&mut [f32]>> = (0..n).map(|_| vec![]).collect();
            for (values, place) in results.iter_mut().zip(&self.plan.outputs) {
                rows.iter_mut().zip(values.chunks_exact_mut(size(place))).for_each(|(row, to)| row.push(to));
            }
            let split = n < rayon::current_num_threads();
            let one =
                |(x, outputs): (&[f32], Vec<&mut [f32]>)| self.one(x, outputs, Block { images: 1, split });
            match split {
                true => x.chunks_exact(each).zip(rows).for_each(one),
                false => x.par_chunks_exact(each).zip(rows).with_max_len(1).for_each(one),
            }
        })?;
        let shaped = results.into_iter().zip(&self.plan.outputs).map(|(values, place)| {
            let (channels, side) = (place.map.channels, place.map.side);
            Ok(Tensor::from_vec(values, (n, channels, side, side), x.device())?)
        });
        shaped.collect()
    }

    /// One image, `[c, y, x]`.
    fn one(&self, x: &[f32], outputs: Vec<&mut [f32]>, block: Block) {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut space = pooled.unwrap_or_else(|| Workspace::new(&self.plan));
        self.plan.image.map.load(x, &mut space.buffers[self.plan.image.buffer]);
        self.plan.steps.iter().for_each(|step| space.take(step, &self.plan, block));
        for (to, place) in outputs.into_iter().zip(&self.plan.outputs) {
            place.map.store(&space.buffers[place.buffer], to);
        }
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}

impl Workspace {
    fn new(plan: &Plan) -> Self {
        Self { buffers: plan.buffers.iter().map(|len| Aligned::zeroed(*len)).collect(), room: Room::empty() }
    }

    fn take(&mut self, step: &Step, plan: &Plan, block: Block) {
        let (kernels, maps) = (plan.kernels, (step.from.map, step.to.map));
        let mut to = std::mem::take(&mut self.buffers[step.to.buffer]);
        let from = &self.buffers[step.from.buffer];
        match &step.work {
            Work::Conv(conv, finish) => {
                conv.run(kernels, block, (from, &mut to), *finish, None, &mut self.room);
            }
            Work::Depthwise { window, weights, bias, finish } => {
                let pass = Depthwise { window: *window, weights, bias, finish: *finish, maps };
                kernels.depthwise(&pass, from, &mut to);
            }
            Work::Pool(window, pooling) => {
                kernels.pool(&Pool { window: *window, pooling: *pooling, maps }, from, &mut to);
            }
            Work::Add(other) => {
                let b = (&*self.buffers[other.buffer], &other.map);
                kernels.add((from, &maps.0), b, (&mut to, &maps.1));
            }
        }
        self.buffers[step.to.buffer] = to;
    }
}

impl fmt::Debug for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inference").field("layers", &(self.graph.nodes.len() - 1)).finish_non_exhaustive()
    }
}
