use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Memory that threads share: who wants more than is left waits until others have given theirs back.
pub(crate) struct Budget {
    all: u64,
    left: Mutex<u64>,
    given_back: Condvar,
}

/// Some of it, until it is dropped.
pub(crate) struct Share<'a> {
    of: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(crate) const fn new(all: u64) -> Self {
        Budget { all, left: Mutex::new(all), given_back: Condvar::new() }
    }

    /// So many bytes, or all that there are; a thread must not ask for more while it has some.
    pub(crate) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.all);
        let mut left = self.left();
        while *left < bytes {
            left = self.given_back.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Share { of: self, bytes }
    }

    fn left(&self) -> MutexGuard<'_, u64> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.of.left() += self.bytes;
        self.of.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_is_in_use_than_there_is_and_what_is_too_large_goes_alone() {
        let (budget, used, most) = (Budget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, used, most) = (&budget, &used, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = if turn % 50 == thread { 1000 } else { 30 + thread };
                        let _share = budget.take(bytes);
                        let now = used.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                        most.fetch_max(now, Ordering::SeqCst);
                        used.fetch_sub(bytes.min(100), Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((90..=100).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert_eq!(*budget.left(), 100);
    }
}
