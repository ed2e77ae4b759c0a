//! Work on one block of images by several threads.
#![allow(unsafe_code, reason = "several threads write to one map, each its own channels")]

use std::marker::PhantomData;

use rayon::prelude::*;

/// Images that are taken through a layer at once.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) images: usize,
    /// Whether threads share the block's output channels, for want of other blocks.
    pub(crate) split: bool,
}

impl Block {
    /// Images for one thread.
    pub(crate) fn of(images: usize) -> Self {
        Self { images, split: false }
    }

    /// Runs `work` on 0, 1, ..., `count - 1`: side by side if the block is split, else in order.
    pub(crate) fn each(self, count: usize, work: impl Fn(usize) + Send + Sync) {
        if self.split && count > 1 {
            (0..count).into_par_iter().with_max_len(1).for_each(work);
        } else {
            (0..count).for_each(work);
        }
    }
}

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
