/// Stan's windows of 1000 steps of warm-up: 75 for the step size alone, windows of 25, 50, 100, ... that each end with
/// a new scale, and 50 for the step size alone.
const FIRST: usize = 75;
const WINDOW: usize = 25;
const LAST: usize = 50;
/// Fewer steps have no windows.
const LEAST: usize = 20;

/// Which steps of a warm-up scales are learned from.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Windows {
    /// The first step of the first window.
    begin: usize,
    /// The last steps of all windows, increasing.
    ends: Vec<usize>,
}

impl Windows {
    /// Of so many steps; of few of them, one window of three quarters.
    pub(super) fn of(n_steps: usize) -> Self {
        if n_steps < LEAST {
            return Windows::default();
        }
        if n_steps < FIRST + WINDOW + LAST {
            let (first, last) = (n_steps * 15 / 100, n_steps / 10);
            return Windows { begin: first, ends: vec![n_steps - last - 1] };
        }
        let end = n_steps - LAST;
        let (mut ends, mut size, mut at) = (Vec::new(), WINDOW, FIRST);
        while at < end {
            // A window after which the next one would not fit takes all that is left.
            let next = if at + size + 2 * size > end { end } else { at + size };
            ends.push(next - 1);
            (at, size) = (next, 2 * size);
        }
        Windows { begin: FIRST, ends }
    }

    /// Whether a step lies in a window.
    pub(super) fn hold(&self, step: usize) -> bool {
        step >= self.begin && self.ends.last().is_some_and(|&last| step <= last)
    }

    /// Whether a step is the last of its window.
    pub(super) fn end_at(&self, step: usize) -> bool {
        self.ends.contains(&step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_steps_have_stans_windows() {
        // 75 + 25 + 50 + 100 + 200 = 450; a window of 400 would leave 100, too few for one of 800.
        let windows = Windows::of(1000);
        assert_eq!(windows, Windows { begin: 75, ends: vec![99, 149, 249, 449, 949] });
        assert_eq!([74, 75, 949, 950].map(|step| windows.hold(step)), [false, true, true, false]);
    }

    #[test]
    fn short_warmups_have_one_window_and_the_shortest_none() {
        assert_eq!(Windows::of(100), Windows { begin: 15, ends: vec![89] });
        assert_eq!(Windows::of(150), Windows { begin: 75, ends: vec![99] });
        assert!(!(0..19).any(|step| Windows::of(19).hold(step)));
    }
}
