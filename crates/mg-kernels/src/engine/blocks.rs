use std::ops::Range;

use crate::block::Block;
use crate::part::lanes;

/// A partition of a batch.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    /// Images of the batch.
    pub(super) n: usize,
    pub(super) count: usize,
}

impl Blocks {
    /// The first image of a block.
    pub(super) fn start(self, block: usize) -> usize {
        block * self.n / self.count
    }

    /// `images` of this partition; threads share them where there are not enough blocks to go round.
    pub(super) fn block(self, images: usize) -> Block {
        Block { images, split: self.count < rayon::current_num_threads() }
    }

    /// The images of a block.
    pub(super) fn images(self, block: usize) -> Range<usize> {
        self.start(block)..self.start(block + 1)
    }

    /// Cuts `values`, `each` of them per image, into the blocks' shares.
    pub(super) fn cut<T>(self, mut values: &mut [T], each: usize) -> Vec<&mut [T]> {
        let mut parts = Vec::with_capacity(self.count);
        for block in 0..self.count {
            let (part, rest) = values.split_at_mut(self.images(block).len() * each);
            parts.push(part);
            values = rest;
        }
        parts
    }

    /// The blocks of one lane of weight gradients. As a batch has at least as many blocks as lanes, and more only in
    /// multiples of the lanes, or one for each image, lanes begin at the images that [`crate::Part`] says.
    pub(super) fn of_lane(self, lane: usize) -> Range<usize> {
        let lanes = lanes(self.n);
        lane * self.count / lanes..(lane + 1) * self.count / lanes
    }
}
