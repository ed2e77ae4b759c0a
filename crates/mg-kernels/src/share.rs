#![allow(unsafe_code, reason = "several threads write to one map, each its own channels")]

use std::marker::PhantomData;

/// A slice that several tasks write to, each to elements of its own.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the only way to an element is a raw pointer, and whoever writes through it answers for the element being its
// own.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of element `at`, which lies in the slice if `at < len`.
    pub(crate) fn at(&self, at: usize) -> *mut T {
        self.start.wrapping_add(at)
    }
}
