use super::coefficients::Coefficients;
use super::moments::Moments;
use super::{Plan, Stage};
use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::weight_gradient::Neighbours;
use crate::winograd::room::Room;

/// What a block's backward pass needs of its forward pass. Images that depend on each other keep this for all blocks
/// of a batch; otherwise there is one per thread.
pub(crate) struct Kept<P: Compiled> {
    pub(crate) layers: Vec<KeptLayer<P>>,
}

pub(crate) struct KeptLayer<P: Compiled> {
    /// The activations of a direct stage, else the convolution's output.
    pub(crate) values: Aligned<P::Stored>,
    /// The gradient of the convolution's output in a direct stage, else of the activations (before, then after the
    /// activation's derivative).
    pub(crate) grads: Aligned<P::Stored>,
    /// Moments per image, for a group norm.
    pub(crate) moments: Vec<Moments<P::Elem>>,
}

/// Memory of one task; its halos are zero from the start and never written.
pub(crate) struct Scratch<P: Compiled> {
    pub(crate) image: Aligned<P::Stored>,
    pub(crate) layers: Vec<ScratchLayer<P>>,
    /// The gradient of the images before it is put in their order.
    pub(crate) image_grad: Aligned<P::Elem>,
    pub(crate) coefficients: Coefficients<P::Elem>,
    /// The mean of values that need none, per channel.
    pub(crate) zeros: Aligned<P::Elem>,
    pub(crate) room: Room<P::Elem>,
    pub(crate) neighbours: Neighbours<P::Stored>,
}

/// Empty for a direct stage.
pub(crate) struct ScratchLayer<P: Compiled> {
    /// Activations.
    pub(crate) values: Aligned<P::Stored>,
    /// The gradient of the convolution's output.
    pub(crate) grads: Aligned<P::Stored>,
}

impl<P: Compiled> Kept<P> {
    pub(crate) fn new(plan: &Plan<P>) -> Self {
        let layer = |l: usize| {
            let layer = &plan.layers[l];
            let (values, grads) = match layer.stage {
                Stage::Direct { .. } => (plan.maps[l + 1], layer.grad),
                Stage::Staged { .. } => (layer.raw, layer.raw),
            };
            let (values, grads) =
                (Aligned::zeroed(values.len(plan.block)), Aligned::zeroed(grads.len(plan.block)));
            KeptLayer { values, grads, moments: vec![] }
        };
        Self { layers: (0..plan.layers.len()).map(layer).collect() }
    }
}

impl<P: Compiled> Scratch<P> {
    pub(crate) fn new(plan: &Plan<P>) -> Self {
        let layer = |l: usize| match plan.layers[l].stage {
            Stage::Direct { .. } => ScratchLayer { values: Aligned::zeroed(0), grads: Aligned::zeroed(0) },
            Stage::Staged { .. } => ScratchLayer {
                values: Aligned::zeroed(plan.maps[l + 1].len(plan.block)),
                grads: Aligned::zeroed(plan.layers[l].grad.len(plan.block)),
            },
        };
        let image_grad = plan
            .layers
            .first()
            .map_or(0, |first| first.adjoint.map(plan.kernels, &plan.maps[0]).len(plan.block));
        let width = plan.layers.iter().map(|l| l.raw.pitch).max().unwrap_or(0);
        Self {
            image: Aligned::zeroed(plan.maps[0].len(plan.block)),
            layers: (0..plan.layers.len()).map(layer).collect(),
            image_grad: Aligned::zeroed(image_grad),
            coefficients: Coefficients::zeroed(width),
            zeros: Aligned::zeroed(width),
            room: Room::empty(),
            neighbours: Neighbours::empty(),
        }
    }
}
