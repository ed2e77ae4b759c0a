#![allow(unsafe_code, reason = "views a vector of cache lines as elements")]

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

/// Zeroed memory for elements that starts on a cache line, so that vector loads do not straddle two.
#[derive(Clone)]
pub(crate) struct Aligned<E> {
    lines: Vec<Line>,
    len: usize,
    element: std::marker::PhantomData<E>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl<E: Number> Aligned<E> {
    pub(crate) fn zeroed(len: usize) -> Self {
        let lines = (len * size_of::<E>()).div_ceil(size_of::<Line>());
        Self { lines: vec![Line([0; 64]); lines], len, element: std::marker::PhantomData }
    }
}

impl<E: Number> Aligned<E> {
    /// Makes room for at least `len` elements; what was there is lost when there was less.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeroed(len);
        }
    }
}

impl<E> Default for Aligned<E> {
    fn default() -> Self {
        Self { lines: vec![], len: 0, element: std::marker::PhantomData }
    }
}

impl<E: Number> Deref for Aligned<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        // SAFETY: `lines` holds at least `len` elements (by construction); every bit pattern is a number; cache lines
        // are at least as aligned as elements.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<E: Number> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
