use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::aligned::Aligned;
use crate::compiled::Compiled;
use crate::memory::Memory;
use crate::weight_gradient::Neighbours;
use crate::winograd::room::Room;

/// Memory of earlier calls. What lies between pixels is zero from the start and never written, so a task's memory goes back to
/// the layer that it came from.
pub(super) struct Pool<P: Compiled> {
    /// Outputs of layers, and their gradients, of whole batches.
    pub(super) batches: Arc<Memory<P::Stored>>,
    scratch: Vec<Mutex<Vec<Scratch<P>>>>,
    rooms: Mutex<Vec<Room<P::Elem>>>,
    /// Memory of full precision.
    pub(super) full: Arc<Memory<P::Elem>>,
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
    pub(super) neighbours: Neighbours<P::Stored>,
}

impl<P: Compiled> Pool<P> {
    pub(super) fn new(layers: usize) -> Self {
        Self {
            batches: Memory::shared(P::memory()),
            scratch: (0..layers).map(|_| Mutex::default()).collect(),
            rooms: Mutex::default(),
            full: Memory::shared(P::full_memory()),
        }
    }

    /// Lends memory for transformed tiles of any layer.
    pub(super) fn with_room<R>(&self, work: impl FnOnce(&mut Room<P::Elem>) -> R) -> R {
        let free = lock(&self.rooms).pop();
        let mut room = free.unwrap_or_else(Room::empty);
        let result = work(&mut room);
        lock(&self.rooms).push(room);
        result
    }

    pub(super) fn scratch(&self, l: usize) -> Scratch<P> {
        lock(&self.scratch[l]).pop().unwrap_or_else(|| Scratch {
            input: Aligned::zeroed(0),
            grad: Aligned::zeroed(0),
            output: Aligned::zeroed(0),
            pixels: Aligned::zeroed(0),
            cells: Aligned::zeroed(0),
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
