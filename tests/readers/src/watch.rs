//! Panics, told apart by whose code they are in.
//!
//! Decoders of pictures and tables are other people's code. Our readers catch their panics and make errors of them, so such a
//! panic is no fault. One in our own code is, also where the same boundary catches it; and so is any that nobody catches.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// Whether a panic of ours was seen since a reader was begun.
static OURS: AtomicBool = AtomicBool::new(false);
/// The last panic of other code.
static FOREIGN: Mutex<String> = Mutex::new(String::new());

/// Runs a reader.
///
/// # Panics
/// When the reader panics, and when our own code has panicked and something has caught that.
pub fn watched(read: impl FnOnce()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if is_ours(panic) {
                OURS.store(true, Ordering::SeqCst);
                usual(panic);
            } else {
                *FOREIGN.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
            }
        }));
    });
    OURS.store(false, Ordering::SeqCst);
    let done = catch_unwind(AssertUnwindSafe(read));
    let foreign = FOREIGN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(!OURS.load(Ordering::SeqCst), "a panic of this workspace's code, shown above");
    assert!(done.is_ok(), "a panic that no reader caught: {foreign}");
}

/// Whether a panic is in a crate of this workspace.
fn is_ours(panic: &PanicHookInfo<'_>) -> bool {
    let Some(place) = panic.location() else { return true };
    let file = place.file().replace('\\', "/");
    file.contains("crates/mg-") || file.contains("tests/readers/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_ours_counts_though_it_is_caught() {
        watched(|| {});
        let caught = || drop(catch_unwind(|| panic!("on purpose")));
        assert!(catch_unwind(|| watched(caught)).is_err());
        watched(|| {});
    }
}
