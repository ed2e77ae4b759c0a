use crate::normal::box_muller;
use crate::philox::{Use, block, unit};

/// A sequence of draws from one [`Key`](crate::Key), for small numbers of values.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    index: u64,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    pub(crate) fn new(key: u64) -> Self {
        Stream { key, index: 0, words: [0; 4], used: 4 }
    }

    /// 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = block(self.key, self.index, Use::Stream);
            self.index += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// A uniform number in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f32 {
        let (a, b) = (self.next_u32(), self.next_u32());
        box_muller(a, b).0
    }

    /// A uniform integer in `0..bound`, without bias (rejection); 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        let last_whole = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let word = self.next_u64();
            if word <= last_whole {
                return word % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Key;

    #[test]
    fn below_is_even_and_within_its_bound() {
        let mut stream = Key::new(1).stream();
        let mut counts = [0i32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&n| (n - 10_000).abs() < 500), "{counts:?}");
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.below(1), 0);
    }

    #[test]
    fn a_stream_and_a_fill_of_one_key_share_no_block() {
        let mut filled = [0f32; 4];
        Key::new(2).fill_uniform(&mut filled);
        assert_ne!(Key::new(2).stream().uniform(), filled[0]);
    }
}
