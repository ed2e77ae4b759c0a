use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::aligned::{Aligned, Number};
use crate::map::Map;

/// Batches of maps of earlier calls that networks lend each other, so that a step allocates little but its results. What lies
/// between pixels is zero from the start and never written, so memory goes only to maps of the layout that it had.
pub(crate) struct Memory<T> {
    free: Mutex<Vec<(Map, Aligned<T>)>>,
    sums: Mutex<Vec<SumRoom<T>>>,
}

/// Memory for sums of the weight gradients of any layer.
pub(crate) struct SumRoom<T> {
    pub(crate) sums: Aligned<T>,
    /// Transformed inputs and gradients of the tasks at hand, where sums are made of these.
    pub(crate) input: Aligned<T>,
    pub(crate) grad: Aligned<T>,
}

impl<T> Default for SumRoom<T> {
    fn default() -> Self {
        Self { sums: Aligned::default(), input: Aligned::default(), grad: Aligned::default() }
    }
}

impl<T: Number> Memory<T> {
    /// What `all` holds while any network does, else new memory.
    pub(crate) fn shared(all: &Mutex<Weak<Self>>) -> Arc<Self> {
        let mut all = lock(all);
        all.upgrade().unwrap_or_else(|| {
            let memory = Arc::new(Self { free: Mutex::default(), sums: Mutex::default() });
            *all = Arc::downgrade(&memory);
            memory
        })
    }

    /// Memory for `n` maps, of which only what lies between pixels is known.
    pub(crate) fn take(&self, map: &Map, n: usize) -> Aligned<T> {
        let (mut free, len) = (lock(&self.free), map.len(n));
        let found = free.iter().position(|(other, batch)| other == map && batch.len() == len);
        found.map_or_else(|| Aligned::zeroed(len), |found| free.swap_remove(found).1)
    }

    pub(crate) fn give(&self, map: &Map, batch: Aligned<T>) {
        let mut free = lock(&self.free);
        free.retain(|(other, memory)| other != map || memory.len() == batch.len()); // of another batch size
        free.push((*map, batch));
    }

    /// Memory with anything in it.
    pub(crate) fn sums(&self) -> SumRoom<T> {
        lock(&self.sums).pop().unwrap_or_default()
    }

    pub(crate) fn give_sums(&self, room: SumRoom<T>) {
        lock(&self.sums).push(room);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
