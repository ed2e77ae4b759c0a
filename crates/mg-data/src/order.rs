use mg_random::Key;

use crate::{Error, Result};

/// Which images an iteration learns from: a pure function of the key and the iteration, so that resuming needs no
/// state.
///
/// Each pass over the data is a new permutation of it, cut into batches; the images that are left when no whole
/// batch fits wait for another pass. A set smaller than the batch is gone through as often as needed to fill it:
/// then passes follow each other without a gap, and after any number of iterations the numbers of times that two
/// images have been used differ by at most one.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    key: Key,
    len: u64,
    batch: u64,
}

impl Order {
    /// Batches of `batch` out of `len` images.
    ///
    /// # Errors
    /// No images, or batches of none.
    pub fn new(key: Key, len: u64, batch: u64) -> Result<Self> {
        if len == 0 || batch == 0 {
            return Err(Error::Setting(format!(
                "batches of {batch} images out of {len}: both must be at least 1"
            )));
        }
        Ok(Order { key, len, batch })
    }

    /// Images in a batch.
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Whole batches in one pass: floor(len / batch), and 1 when the set is smaller than a batch.
    pub fn batches_per_pass(&self) -> u64 {
        (self.len / self.batch).max(1)
    }

    /// Passes completed before this iteration, with their fraction: iteration x batch / len for a set smaller than a
    /// batch, else iteration / [`batches_per_pass`](Order::batches_per_pass).
    pub fn passes(&self, iteration: u64) -> f64 {
        if self.len < self.batch {
            return iteration as f64 * self.batch as f64 / self.len as f64;
        }
        iteration as f64 / self.batches_per_pass() as f64
    }

    /// The images of iteration `iteration`, counted from 0.
    pub fn batch_indices(&self, iteration: u64) -> Vec<u64> {
        if self.len >= self.batch {
            let (pass, batch) = (iteration / self.batches_per_pass(), iteration % self.batches_per_pass());
            let order = self.pass(pass);
            return (0..self.batch).map(|i| order.at(batch * self.batch + i)).collect();
        }
        let first = u128::from(iteration) * u128::from(self.batch);
        let places = (first..first + u128::from(self.batch)).map(|place| {
            let len = u128::from(self.len);
            ((place / len) as u64, (place % len) as u64)
        });
        places.map(|(pass, place)| self.pass(pass).at(place)).collect()
    }

    /// A fair coin for each image of iteration `iteration`: whether to mirror it.
    pub fn flips(&self, iteration: u64) -> Vec<bool> {
        let mut coins = self.key.named("flip").fold(iteration).stream();
        (0..self.batch).map(|_| coins.next_u32() >> 31 == 1).collect()
    }

    fn pass(&self, pass: u64) -> mg_random::Permutation {
        self.key.named("pass").fold(pass).permutation(self.len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(seed: u64, len: u64, batch: u64) -> Order {
        Order::new(Key::new(seed), len, batch).unwrap()
    }

    proptest! {
        #[test]
        fn a_pass_never_repeats_an_image(seed: u64, len in 1u64..300, batch in 1u64..40, pass in 0u64..5) {
            prop_assume!(batch <= len);
            let order = order(seed, len, batch);
            let first = pass * order.batches_per_pass();
            let iterations = first..first + order.batches_per_pass();
            let mut seen: Vec<u64> = iterations.flat_map(|i| order.batch_indices(i)).collect();
            let total = seen.len();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), total);
            prop_assert!(seen.iter().all(|&i| i < len));
            prop_assert!(len - (total as u64) < batch, "less than a batch is left out");
        }

        #[test]
        fn a_pass_of_whole_batches_is_a_permutation(seed: u64, batches in 1u64..9, batch in 1u64..9) {
            let order = order(seed, batches * batch, batch);
            let mut seen: Vec<u64> = (0..batches).flat_map(|i| order.batch_indices(i)).collect();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..batches * batch));
        }

        #[test]
        fn a_small_set_wraps_evenly(seed: u64, len in 1u64..12, extra in 1u64..30, iterations in 1u64..6) {
            let order = order(seed, len, len + extra);
            let mut counts = vec![0u64; len as usize];
            for i in (0..iterations).flat_map(|i| order.batch_indices(i)) {
                counts[i as usize] += 1;
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", counts);
        }

        #[test]
        fn an_iteration_depends_on_nothing_before_it(seed: u64, iteration in 0u64..1000) {
            let (fresh, used) = (order(seed, 57, 8), order(seed, 57, 8));
            for i in 0..3 {
                used.batch_indices(i);
            }
            prop_assert_eq!(fresh.batch_indices(iteration), used.batch_indices(iteration));
            prop_assert_eq!(fresh.flips(iteration), used.flips(iteration));
        }
    }

    #[test]
    fn passes_and_keys_give_different_orders() {
        let whole = |seed, pass| order(seed, 100, 100).batch_indices(pass);
        assert_ne!(whole(1, 0), whole(1, 1));
        assert_ne!(whole(1, 0), whole(2, 0));
    }

    #[test]
    fn half_of_the_flips_are_true() {
        let order = order(4, 100, 100);
        let flipped = (0..200).flat_map(|i| order.flips(i)).filter(|&flip| flip).count();
        // Five standard deviations of 20,000 fair coins.
        assert!(flipped.abs_diff(10_000) < 354, "{flipped} of 20000");
    }

    #[test]
    fn the_last_iteration_of_all_has_a_batch() {
        assert_eq!(order(0, 10, 4).batch_indices(u64::MAX).len(), 4);
        assert_eq!(order(0, 3, 4).batch_indices(u64::MAX).len(), 4);
    }

    #[test]
    fn nothing_to_order_is_an_error() {
        assert!(Order::new(Key::new(0), 0, 5).is_err());
        assert!(Order::new(Key::new(0), 5, 0).is_err());
    }
}
