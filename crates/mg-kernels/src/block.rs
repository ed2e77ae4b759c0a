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
