use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::map::Map;
use crate::weight_gradient::Neighbours;
use crate::winograd_convolution::Room;

/// Memory of earlier calls, so that a step allocates little but its results. What lies between pixels is zero from the
/// start and never written, so memory goes back to the layer and the use that it came from.
pub(super) struct Pool<P: Compiled> {
    /// Outputs of layers, and their gradients, of whole batches.
    batches: Vec<Mutex<Vec<Aligned<P::Stored>>>>,
    scratch: Vec<Mutex<Vec<Scratch<P>>>>,
}

/// Memory of one task in one layer.
pub(super) struct Scratch<P: Compiled> {
    /// The layer's input.
    pub(super) input: Aligned<P::Stored>,
    /// The gradient of its output before the norm.
    pub(super) grad: Aligned<P::Stored>,
    /// Its activations.
    pub(super) output: Aligned<P::Stored>,
    /// The gradient of the network's input.
    pub(super) pixels: Aligned<P::Elem>,
    /// What a convolution by cells makes.
    pub(super) cells: Aligned<P::Stored>,
    pub(super) room: Room<P::Elem>,
    pub(super) neighbours: Neighbours<P::Stored>,
}

impl<P: Compiled> Pool<P> {
    pub(super) fn new(layers: usize) -> Self {
        Self {
            batches: (0..layers).map(|_| Mutex::default()).collect(),
            scratch: (0..layers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Memory for `n` maps of layer `l`, of which only what lies between pixels is known.
    pub(super) fn batch(&self, l: usize, map: &Map, n: usize) -> Aligned<P::Stored> {
        let len = map.len(n);
        let mut free = lock(&self.batches[l]);
        let found = free.iter().position(|batch| batch.len() == len);
        found.map_or_else(|| Aligned::zeroed(len), |found| free.swap_remove(found))
    }

    pub(super) fn give_batch(&self, l: usize, batch: Aligned<P::Stored>) {
        let mut free = lock(&self.batches[l]);
        if free.iter().any(|other| other.len() != batch.len()) {
            free.clear(); // of another batch size
        }
        free.push(batch);
    }

    pub(super) fn scratch(&self, l: usize) -> Scratch<P> {
        lock(&self.scratch[l]).pop().unwrap_or_else(|| Scratch {
            input: Aligned::zeroed(0),
            grad: Aligned::zeroed(0),
            output: Aligned::zeroed(0),
            pixels: Aligned::zeroed(0),
            cells: Aligned::zeroed(0),
            room: Room::empty(),
            neighbours: Neighbours::empty(),
        })
    }

    pub(super) fn give_scratch(&self, l: usize, scratch: Scratch<P>) {
        lock(&self.scratch[l]).push(scratch);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
