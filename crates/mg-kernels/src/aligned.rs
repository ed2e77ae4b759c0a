#![allow(unsafe_code, reason = "views a vector of words as elements")]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use half::bf16;

/// Numbers of which every bit pattern is one.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    const ZERO: Self;
}

impl Number for f32 {
    const ZERO: Self = 0.0;
}
impl Number for f64 {
    const ZERO: Self = 0.0;
}
impl Number for i16 {
    const ZERO: Self = 0;
}
impl Number for bf16 {
    const ZERO: Self = bf16::ZERO;
}

/// Zeroed memory for elements that starts on a cache line, so that vector loads do not straddle two. Pages that nobody writes
/// to are never touched.
pub(crate) struct Aligned<E> {
    words: Vec<u64>,
    /// Words before the first cache line.
    start: usize,
    len: usize,
    element: PhantomData<E>,
}

/// Words of a cache line.
const LINE: usize = 8;

impl<E: Number> Aligned<E> {
    pub(crate) fn zeroed(len: usize) -> Self {
        let words = vec![0u64; (len * size_of::<E>()).next_multiple_of(8 * LINE) / 8 + LINE - 1];
        let start = (words.as_ptr() as usize / 8).wrapping_neg() % LINE;
        Self { words, start, len, element: PhantomData }
    }
}

impl<E: Number> Clone for Aligned<E> {
    fn clone(&self) -> Self {
        Self::padded(self, self.len)
    }
}

impl<E: Number> Aligned<E> {
    /// These values, and zeros up to `len` elements.
    pub(crate) fn padded(values: &[E], len: usize) -> Self {
        let mut padded = Self::zeroed(len);
        padded[..values.len()].copy_from_slice(values);
        padded
    }

    /// Makes room for at least `len` elements; what was there is lost when there was less.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeroed(len);
        }
    }
}

impl<E> Default for Aligned<E> {
    fn default() -> Self {
        Self { words: vec![], start: 0, len: 0, element: PhantomData }
    }
}

impl<E: Number> Deref for Aligned<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        // SAFETY: `words` holds at least `len` elements from `start` on, where a cache line begins (by construction; a vector's
        // memory does not move); every bit pattern is a number; words are at least as aligned as elements.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().add(self.start).cast(), self.len) }
    }
}

impl<E: Number> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().add(self.start).cast(), self.len) }
    }
}
